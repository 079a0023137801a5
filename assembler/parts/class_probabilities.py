"""What decoders give on request: the probability of each class of each token, and zeros after a sentence's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Port

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter
    from assembler.parts.kind import PartView

_FLOAT32 = "float32"


def class_probabilities(part: PartView) -> Port:
    """Return the port of the probabilities: float32 `[sentences, tokens, labels]`."""
    dims = (Variable("sentences"), Variable("tokens"), part.fact("label_count"))
    return Port("class_probabilities", TensorType(_FLOAT32, dims), gives="class_probabilities", on_request=True)


def emit_inside(emit: Emitter, tensor: str, name: str) -> str:
    """Return a tensor, float32 `[sentences, tokens, …]` of rank 3, with zeros after each sentence's end.

    The part has an input port `lengths`, int64 `[sentences]`.
    """
    zero, one = _constant(emit, f"{name}/zero", value_int=0), _constant(emit, f"{name}/one", value_int=1)
    shape = emit.op("Shape", [tensor], f"{name}/shape")
    tokens = emit.op("Gather", [shape, one], f"{name}/tokens", axis=0)
    places = emit.op("Range", [zero, tokens, one], f"{name}/places")
    axis = _constant(emit, f"{name}/column_axis", value_ints=[1])
    inside = emit.op(
        "Less", [places, emit.op("Unsqueeze", [emit.input("lengths"), axis], f"{name}/column")], f"{name}/is"
    )
    rows = emit.op("Unsqueeze", [inside, _constant(emit, f"{name}/row_axis", value_ints=[2])], f"{name}/rows")
    return emit.op("Where", [rows, tensor, _constant(emit, f"{name}/nothing", value_float=0.0)], f"{name}/kept")


def emit_swapped(emit: Emitter, probabilities: str, tags: str) -> str:
    """Return probabilities in which the decoded tag of each token has the largest.

    Where another tag is more probable than the decoded one, flair swaps their two numbers (0.15.1,
    models/sequence_tagger_utils/viterbi.py 236-245).

    Args:
        emit: The part.
        probabilities: float32 `[tokens, sentences, labels]`.
        tags: int64 `[tokens, sentences]`.
    """
    decoded = emit.op("Unsqueeze", [tags, _constant(emit, "swap/tag_axis", value_ints=[2])], "swap/decoded")
    best = emit.op("ArgMax", [probabilities], "swap/best", axis=2, keepdims=1)
    largest = emit.op("GatherElements", [probabilities, best], "swap/largest", axis=2)
    own = emit.op("GatherElements", [probabilities, decoded], "swap/own", axis=2)
    given = emit.op("ScatterElements", [probabilities, decoded, largest], "swap/given", axis=2)
    return emit.op("ScatterElements", [given, best, own], "swap/swapped", axis=2)


def _constant(emit: Emitter, name: str, **value: float | list[int]) -> str:
    """Return a constant. It is an operator: a model's description counts initializers among the weights."""
    return emit.op("Constant", [], name, **value)
