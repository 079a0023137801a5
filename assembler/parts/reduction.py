"""What `softmax`, `argmax` and `max` share: one tensor in, one axis, one tensor out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Complaint, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.core.values import Value

AXIS: Mapping[str, Mapping[str, Value]] = {
    "axis": {
        "type": "integer",
        "minimum": -8,
        "maximum": 7,
        "default": -1,
        "description": "The axis; negative ones count from the last.",
        "examples": [-1],
    }
}


def axis_of(part: PartView) -> int:
    """Return the axis that the node names, or the last."""
    axis = part.parameters.get("axis", -1)
    return axis if isinstance(axis, int) else -1


def check_axis(part: PartView) -> Iterator[Complaint]:
    """Complain of an axis that the arriving tensor does not have."""
    rank = part.arriving("tensor").rank
    if rank is not None and not -rank <= axis_of(part) < rank:
        yield Complaint(("axis",), f"axis {axis_of(part)} of a tensor with {rank} axes: {part.arriving('tensor')}")


def same_shape(part: PartView, dtype: str | None) -> Ports:
    """Return ports whose output has the input's shape. `dtype` is the pattern for the input."""
    arriving = part.arriving("tensor")
    return Ports(
        inputs=(Port("tensor", TensorType(dtype, _variables(arriving))),),
        outputs=(Port("tensor", TensorType(arriving.dtype, arriving.dims)),),
    )


def without_axis(part: PartView, dtype: str | None) -> Ports:
    """Return ports whose output lacks the axis. `dtype` is that of the output, or `None` for the input's."""
    arriving = part.arriving("tensor")
    dims = arriving.dims
    if dims is not None and -len(dims) <= (axis := axis_of(part)) < len(dims):
        drop = axis % len(dims)
        dims = (*dims[:drop], *dims[drop + 1 :])
    return Ports(
        inputs=(Port("tensor", TensorType(None, _variables(arriving))),),
        outputs=(Port("tensor", TensorType(dtype or arriving.dtype, dims)),),
    )


def _variables(arriving: TensorType) -> tuple[Variable, ...] | None:
    return None if arriving.rank is None else tuple(Variable(f"axis_{axis}") for axis in range(arriving.rank))
