"""`softmax`: values that sum to one along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.parts.kind import Kind, PartView, Ports
from assembler.parts.reduction import AXIS, axis_of, check_axis, same_shape

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take float32; output float32 of the same shape."""
    return same_shape(part, "float32")


def build(part: PartView, emit: Emitter) -> None:
    """Emit one operator."""
    emit.output("tensor", emit.op("Softmax", [emit.input("tensor")], "softmax", axis=axis_of(part)))


KIND = Kind(
    name="softmax",
    summary="Exponentials normalised to a sum of one along an axis.",
    ports=ports,
    build=build,
    check=check_axis,
    parameters=AXIS,
    example={"kind": "softmax", "inputs": {"tensor": "head.emissions"}, "axis": -1},
)
