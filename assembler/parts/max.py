"""`max`: the largest value along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.parts.kind import Kind, PartView, Ports
from assembler.parts.reduction import AXIS, axis_of, check_axis, without_axis

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take any tensor; output the same type without the axis."""
    return without_axis(part, None)


def build(part: PartView, emit: Emitter) -> None:
    """Emit one operator."""
    emit.output("tensor", emit.reduce_max(emit.input("tensor"), axis_of(part), "max"))


KIND = Kind(
    name="max",
    summary="The largest value along an axis.",
    ports=ports,
    build=build,
    check=check_axis,
    parameters=AXIS,
    example={"kind": "max", "inputs": {"tensor": "head.emissions"}, "axis": -1},
)
