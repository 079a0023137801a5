"""`transpose`: the axes in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take a tensor with as many axes as the order names; output the reordered one."""
    order = _order(part)
    arriving = part.arriving("tensor")
    variables = tuple(Variable(f"axis_{axis}") for axis in range(len(order)))
    fits = arriving.rank == len(order) and sorted(order) == list(range(len(order)))
    dims = tuple(arriving.dims[axis] for axis in order) if fits and arriving.dims else (None,) * len(order)
    return Ports(
        inputs=(Port("tensor", TensorType(None, variables)),),
        outputs=(Port("tensor", TensorType(arriving.dtype, dims)),),
    )


def _order(part: PartView) -> list[int]:
    order = part.parameters["order"]
    return [axis for axis in order if isinstance(axis, int)] if isinstance(order, list) else []


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of an order that leaves an axis out."""
    order = _order(part)
    if sorted(order) != list(range(len(order))):
        message = f"the order {order} does not name every axis from 0 to {len(order) - 1} once"
        yield Complaint(("order",), message)


def build(part: PartView, emit: Emitter) -> None:
    """Emit one Transpose."""
    emit.output("tensor", emit.op("Transpose", [emit.input("tensor")], "transpose", perm=_order(part)))


KIND = Kind(
    name="transpose",
    summary="The axes of a tensor in another order.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "order": {
            "type": "array",
            "minItems": 1,
            "maxItems": 8,
            "uniqueItems": True,
            "items": {"type": "integer", "minimum": 0, "maximum": 7},
            "description": "For each axis of the result, the axis of the input that it is; every axis once.",
            "examples": [[1, 0, 2]],
        }
    },
    required=("order",),
    example={"kind": "transpose", "inputs": {"tensor": "lm.states"}, "order": [1, 0, 2]},
)
