"""`text_head`: the layers of a flair TextClassifier after its document embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import SENTENCES

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take a row for each sentence; output the probability of each class."""
    classes = TensorType("float32", (SENTENCES, part.fact("label_count")))
    documents = TensorType("float32", (SENTENCES, part.fact("document_size")))
    return Ports(
        inputs=(Port("documents", documents),),
        outputs=(
            Port("probabilities", classes, gives="probabilities"),
            Port("emissions", classes),
            Port("embeddings", documents, gives="embeddings", on_request=True),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit the linear layer, and softmax, or sigmoid where there are several labels (flair's nn/model.py 865-900)."""
    from assembler.parts.recurrent import emit_linear
    from assembler.weights.documents import TextHeadWeights

    weights = part.weights
    if not isinstance(weights, TextHeadWeights):
        raise TypeError(weights)
    emit.output("embeddings", emit.op("Identity", [emit.input("documents")], "embeddings"))
    emissions = emit_linear(emit, weights.linear, emit.input("documents"), "linear")
    emit.output("emissions", emissions)
    if weights.multi_label:
        emit.output("probabilities", emit.op("Sigmoid", [emissions], "sigmoid"))
    else:
        emit.output("probabilities", emit.op("Softmax", [emissions], "softmax", axis=-1))


KIND = Kind(
    name="text_head",
    summary="The decoder of a flair TextClassifier: a linear layer and softmax, or sigmoid where a sentence can have "
    "several labels. The labels and their thresholds are in the model's metadata.",
    ports=ports,
    build=build,
    weights=True,
    takes="text_head",
    example={"kind": "text_head", "weights": "classifier.head", "inputs": {"documents": "document.documents"}},
)
