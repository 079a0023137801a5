"""`cast`: the values as another element type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import DTYPES, UNKNOWN, TensorType
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take any tensor; output the same shape with the element type `to`."""
    return Ports(
        inputs=(Port("tensor", UNKNOWN),),
        outputs=(Port("tensor", TensorType(str(part.parameters["to"]), part.arriving("tensor").dims)),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit one Cast."""
    from assembler.onnx_model.type_protos import element_number

    number = element_number(str(part.parameters["to"]))
    emit.output("tensor", emit.op("Cast", [emit.input("tensor")], "cast", to=number))


KIND = Kind(
    name="cast",
    summary="The values of a tensor as another element type.",
    ports=ports,
    build=build,
    parameters={
        "to": {"enum": list(DTYPES), "description": "The element type of the result.", "examples": ["int64"]},
    },
    required=("to",),
    example={"kind": "cast", "inputs": {"tensor": "counts"}, "to": "int64"},
)
