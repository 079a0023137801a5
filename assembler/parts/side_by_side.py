"""`side_by_side`: the rows of several sentences that belong together, as one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.interface.examples import MOST_TEXTS
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import SENTENCES

if TYPE_CHECKING:
    from assembler.core.tensors import Dim
    from assembler.onnx_model.emitter import Emitter

_EXAMPLES = Variable("examples")


def ports(part: PartView) -> Ports:
    """Take a row for each sentence; output a row for each example."""
    features, texts = _features(part), part.parameters.get("texts")
    wide = features * texts if isinstance(features, int) and isinstance(texts, int) else None
    return Ports(
        inputs=(Port("documents", TensorType("float32", (SENTENCES, features))),),
        outputs=(Port("documents", TensorType("float32", (_EXAMPLES, wide))),),
    )


def _features(part: PartView) -> Dim:
    dims = part.arriving("documents").dims
    return dims[-1] if dims else None


def build(part: PartView, emit: Emitter) -> None:
    """Emit a reshape: sentences of an example follow one another (flair's pairwise_classification_model.py 77-85)."""
    features, texts = _features(part), part.parameters["texts"]
    documents = emit.input("documents")
    if isinstance(features, int) and isinstance(texts, int):
        shape = emit.integers("shape", [-1, features * texts])
    else:
        size = emit.op("Gather", [emit.op("Shape", [documents], "sizes"), emit.integers("last", [-1])], "size", axis=0)
        wide = emit.op("Mul", [size, emit.integers("texts", [int(str(texts))])], "wide")
        shape = emit.op("Concat", [emit.integers("any", [-1]), wide], "shape", axis=0)
    emit.output("documents", emit.op("Reshape", [documents, shape], "side_by_side"))


KIND = Kind(
    name="side_by_side",
    summary="One row for each example from the rows of its texts, side by side, for flair's classifiers of pairs and "
    "triples that embed each text alone. A run has the texts of the first example, then those of the second, and so "
    "on.",
    ports=ports,
    build=build,
    parameters={
        "texts": {
            "type": "integer",
            "minimum": 2,
            "maximum": MOST_TEXTS,
            "description": "How many texts an example has.",
            "examples": [2],
        }
    },
    required=("texts",),
    example={"kind": "side_by_side", "texts": 2, "inputs": {"documents": "document.documents"}},
)
