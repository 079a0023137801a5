"""`subtoken_document`: one row for each sentence from its subtokens' states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import emit_pooled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.emitter import Emitter
    from assembler.weights.protocol import Weights

_SENTENCES = Variable("sentences")
_SUBTOKENS = (_SENTENCES, Variable("subtokens"))
_RANK = 3


def ports(part: PartView) -> Ports:
    """Take the states of subtokens, and their ids; output rows of documents."""
    dims = part.arriving("states").dims
    return Ports(
        inputs=(
            Port("states", TensorType("float32", (*_SUBTOKENS, None))),
            Port("subtokens", TensorType("int64", _SUBTOKENS), fill="subtokens", about="states"),
        ),
        outputs=(Port("documents", TensorType("float32", (_SENTENCES, dims[-1] if dims else None))),),
    )


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of states that are not those of subtokens."""
    rank = part.arriving("states").rank
    if rank not in {None, _RANK}:
        yield Complaint(("inputs", "states"), f"pools states of rank {rank}, expected [sentences, subtokens, features]")


def build(part: PartView, emit: Emitter) -> None:
    """Emit the pooling over as many subtokens as are not the one for padding (flair's transformer.py 581-587).

    A text in which that subtoken is written has so many fewer, at its end.
    """
    from assembler.weights.documents import SubtokenDocumentWeights

    weights = part.weights
    if not isinstance(weights, SubtokenDocumentWeights):
        raise TypeError(weights)
    padding = emit.number("padding", weights.padding, "int64")
    same = emit.op("Equal", [emit.input("subtokens"), padding], "is_padding")
    real = emit.op("Cast", [emit.op("Not", [same], "is_real")], "real", to=7)
    lengths = emit.op("ReduceSum", [real, emit.integers("subtoken_axis", [1])], "lengths", keepdims=0)
    emit.output("documents", emit_pooled(emit, emit.input("states"), lengths, weights.pooling))


def documents_of(weights: Weights) -> Weights | None:
    """Return how an encoder makes documents, or `None` if it makes none."""
    from assembler.weights.encoders import Encoder

    return weights.documents if isinstance(weights, Encoder) else None


KIND = Kind(
    name="subtoken_document",
    summary="One row for each sentence from the states of its subtokens (flair's TransformerDocumentEmbeddings): that "
    "of the first or of the last, or their mean or largest values, as the weights say. An overlong sentence is cut.",
    ports=ports,
    build=build,
    check=check,
    weights=True,
    takes="transformer",
    view=documents_of,
    example={
        "kind": "subtoken_document",
        "weights": "classifier.document",
        "inputs": {"states": "encoder.states", "subtokens": "subtokens"},
    },
)
