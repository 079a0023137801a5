"""`concat`: joins tensors along one axis, in the order of the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import UNKNOWN, Dim, TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.emitter import Emitter

_ROWS = 2  # [rows, features]: only one axis is a variable, so it can have the usual name


def ports(part: PartView) -> Ports:
    """Take tensors that agree in all axes but one; output one tensor."""
    arriving = part.inputs.get("inputs", ())
    # Rows are the common case, so the tensor with the fewest axes is taken as the pattern.
    known = min((tensor for tensor in arriving if tensor.dims), key=lambda tensor: tensor.rank or 0, default=UNKNOWN)
    if known.dims is None:
        return Ports((Port("inputs", UNKNOWN, variadic=True),), (_joined(part, UNKNOWN),))
    rank = len(known.dims)
    axis = _axis(part) % rank if -rank <= _axis(part) < rank else rank - 1
    pattern: list[Dim] = [Variable("rows" if rank == _ROWS else f"axis_{index}") for index in range(rank)]
    pattern[axis] = None
    joined: list[Dim] = [*pattern]
    joined[axis] = _sum([tensor.dims[axis] if tensor.rank == rank and tensor.dims else None for tensor in arriving])
    return Ports(
        inputs=(Port("inputs", TensorType(known.dtype, tuple(pattern)), variadic=True),),
        outputs=(_joined(part, TensorType(known.dtype, tuple(joined))),),
    )


def _joined(part: PartView, type_: TensorType) -> Port:
    return Port("rows", type_, joins="inputs", rows_of="parts" if _axis(part) == 0 else None)


def _axis(part: PartView) -> int:
    axis = part.parameters.get("axis", -1)
    return axis if isinstance(axis, int) else -1


def _sum(dims: list[Dim]) -> Dim:
    """Fixed sizes add up; several dynamic ones make a new dynamic size; an unknown one leaves it unknown."""
    if all(isinstance(dim, int) for dim in dims):
        return sum(dim for dim in dims if isinstance(dim, int))
    if any(isinstance(dim, str) for dim in dims):
        return Variable("joined")
    return None


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of an axis that the arriving tensors do not have."""
    ranks = [tensor.rank for tensor in part.inputs.get("inputs", ()) if tensor.rank is not None]
    if ranks and not -min(ranks) <= _axis(part) < min(ranks):
        yield Complaint(("axis",), f"axis {_axis(part)} of tensors with {min(ranks)} axes")


def build(part: PartView, emit: Emitter) -> None:
    """Emit one Concat."""
    emit.output("rows", emit.op("Concat", emit.inputs("inputs"), "concat", axis=_axis(part)))


KIND = Kind(
    name="concat",
    summary="Several tensors joined along one axis, in the spec's order. Where the parts come from one tagger, an "
    "order other than the tagger's own is refused when the model is assembled.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "axis": {
            "type": "integer",
            "minimum": -8,
            "maximum": 7,
            "default": -1,
            "description": "The axis to join along; negative ones count from the last.",
            "examples": [-1, 0],
        }
    },
    example={"kind": "concat", "inputs": ["forward_words.rows", "backward_words.rows"]},
)
