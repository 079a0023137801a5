"""`argmax`: the index of the largest value along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.parts.kind import Kind, PartView, Ports
from assembler.parts.reduction import AXIS, axis_of, check_axis, without_axis

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take any tensor; output int64 without the axis."""
    return without_axis(part, "int64")


def build(part: PartView, emit: Emitter) -> None:
    """Emit one operator."""
    emit.output("tensor", emit.op("ArgMax", [emit.input("tensor")], "argmax", axis=axis_of(part), keepdims=0))


KIND = Kind(
    name="argmax",
    summary="The index of the largest value along an axis; among equal values the first.",
    ports=ports,
    build=build,
    check=check_axis,
    parameters=AXIS,
    example={"kind": "argmax", "inputs": {"tensor": "head.emissions"}, "axis": -1},
)
