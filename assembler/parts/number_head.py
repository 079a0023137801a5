"""`number_head`: the layer of a flair TextRegressor after its document embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import SENTENCES

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take a row for each sentence; output a number for each."""
    documents = TensorType("float32", (SENTENCES, part.fact("document_size")))
    return Ports(
        inputs=(Port("documents", documents),),
        outputs=(
            Port("numbers", TensorType("float32", (SENTENCES,)), gives="numbers"),
            Port("embeddings", documents, gives="embeddings", on_request=True),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit the linear layer (flair's text_regression_model.py 31-56)."""
    from assembler.parts.recurrent import emit_linear
    from assembler.weights.documents import NumberHeadWeights

    weights = part.weights
    if not isinstance(weights, NumberHeadWeights):
        raise TypeError(weights)
    emit.output("embeddings", emit.op("Identity", [emit.input("documents")], "embeddings"))
    column = emit_linear(emit, weights.linear, emit.input("documents"), "linear")
    emit.output("numbers", emit.op("Squeeze", [column, emit.integers("column", [1])], "squeeze"))


KIND = Kind(
    name="number_head",
    summary="The decoder of a flair TextRegressor or TextPairRegressor: a linear layer with one output, which is the "
    "number that a sentence, or an example of several, is given.",
    ports=ports,
    build=build,
    weights=True,
    takes="number_head",
    example={"kind": "number_head", "weights": "regressor.head", "inputs": {"documents": "document.documents"}},
)
