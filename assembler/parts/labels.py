"""`labels`: the names of predicted classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.weights.heads import labels_of

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_SENTENCES = Variable("sentences")
_TOKENS = (_SENTENCES, Variable("tokens"))
_INT64, _FLOAT32 = "int64", "float32"


def ports(_part: PartView) -> Ports:
    """Take classes and scores; output labels, and both again without the values after a sentence's end."""
    classes, scores = TensorType(_INT64, _TOKENS), TensorType(_FLOAT32, _TOKENS)
    return Ports(
        inputs=(
            Port("prediction", classes),
            Port("scores", scores),
            Port("lengths", TensorType(_INT64, (_SENTENCES,)), fill="token_lengths"),
        ),
        outputs=(
            Port("labels", TensorType("string", _TOKENS), gives="labels"),
            Port("scores", scores, gives="scores"),
            Port("prediction", classes, gives="prediction"),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit a look-up in the table of labels, whose last entry is the empty text for places after a sentence's end.

    Raises:
        TypeError: The weights are not those of a head.
    """
    import numpy as np

    from assembler.weights.heads import LabelWeights

    weights = part.weights
    if not isinstance(weights, LabelWeights):
        raise TypeError(weights)
    prediction = emit.input("prediction")
    zero, one = emit.number("zero", 0, _INT64), emit.number("one", 1, _INT64)
    shape = emit.op("Shape", [prediction], "shape")
    tokens = emit.op("Gather", [shape, emit.number("token_axis", 1, _INT64)], "tokens", axis=0)
    lengths = emit.op("Unsqueeze", [emit.input("lengths"), emit.integers("length_axis", [1])], "length_column")
    filled = emit.op("Less", [emit.op("Range", [zero, tokens, one], "columns"), lengths], "filled")
    table = emit.initializer("table", np.array([*weights.labels, ""], dtype=object))
    nothing = emit.number("nothing", len(weights.labels), _INT64)
    rows = emit.op("Where", [filled, prediction, nothing], "rows")
    emit.output("labels", emit.op("Gather", [table, rows], "labels", axis=0))
    none = emit.number("no_score", 0, _FLOAT32)
    emit.output("scores", emit.op("Where", [filled, emit.input("scores"), none], "scores"))
    emit.output("prediction", emit.op("Where", [filled, prediction, zero], "prediction"))


KIND = Kind(
    name="labels",
    summary="The labels of predicted classes, as text. After a sentence's end come an empty text, a score of 0 and "
    "the class 0. Its weights are those of the head, from which it takes the labels.",
    ports=ports,
    build=build,
    weights=True,
    takes="tagger_head",
    view=labels_of,
    example={
        "kind": "labels",
        "weights": "tagger.head",
        "inputs": {"prediction": "head.prediction", "scores": "head.scores", "lengths": "tokens.counts"},
    },
)
