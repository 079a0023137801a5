"""`word_layers`: the layers of flair's DocumentPoolEmbeddings before its pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import ROWS

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take a row for each token; output one for each token."""
    size = part.fact("embedding_size")
    return Ports(
        inputs=(Port("embeddings", TensorType("float32", (ROWS, size))),),
        outputs=(Port("rows", TensorType("float32", (ROWS, size))),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit a linear layer without bias, and where the mode is nonlinear a ReLU and another (document.py 132-138)."""
    from assembler.parts.recurrent import emit_linear
    from assembler.weights.documents import WordLayersWeights

    weights = part.weights
    if not isinstance(weights, WordLayersWeights):
        raise TypeError(weights)
    rows = emit.op("MatMul", [emit.input("embeddings"), emit.initializer("first/weight", weights.first.T)], "first")
    if weights.second is not None:
        rows = emit_linear(emit, weights.second, emit.op("Relu", [rows], "relu"), "second")
    emit.output("rows", rows)


KIND = Kind(
    name="word_layers",
    summary="The trained layers of a flair DocumentPoolEmbeddings before its pooling (`fine_tune_mode`): a "
    "linear layer without bias, and where it is nonlinear a ReLU and another linear layer.",
    ports=ports,
    build=build,
    weights=True,
    takes="word_layers",
    example={"kind": "word_layers", "weights": "classifier.document", "inputs": {"embeddings": "words.rows"}},
)
