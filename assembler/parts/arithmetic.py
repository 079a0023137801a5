"""`arithmetic`: adds, subtracts, multiplies or divides two tensors, with broadcasting."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from assembler.core.tensors import Dim, TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_OPERATORS = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"}


def ports(part: PartView) -> Ports:
    """Take two tensors of one element type; output their broadcast shape."""
    left, right = part.arriving("left"), part.arriving("right")
    dtype = left.dtype or right.dtype
    if left.dims is None or right.dims is None:
        either = Port("left", TensorType(dtype, None)), Port("right", TensorType(dtype, None))
        return Ports(either, (Port("tensor", TensorType(dtype, None)),))
    rank = max(len(left.dims), len(right.dims))
    patterns: tuple[list[Dim], list[Dim]] = ([], [])
    result: list[Dim] = []
    pairs = zip_longest(reversed(left.dims), reversed(right.dims), fillvalue=1)
    for axis, (a, b) in enumerate(pairs):
        name = Variable(f"axis_{rank - 1 - axis}")
        for pattern, dim in zip(patterns, (a, b), strict=True):
            pattern.append(1 if dim == 1 else name)
        result.append(b if a == 1 else name)
    dims = [tuple(reversed(p))[rank - r :] for p, r in zip(patterns, (len(left.dims), len(right.dims)), strict=True)]
    return Ports(
        inputs=(Port("left", TensorType(dtype, dims[0])), Port("right", TensorType(dtype, dims[1]))),
        outputs=(Port("tensor", TensorType(dtype, tuple(reversed(result)))),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit one operator."""
    operator = _OPERATORS[str(part.parameters["operator"])]
    emit.output("tensor", emit.op(operator, [emit.input("left"), emit.input("right")], operator.lower()))


KIND = Kind(
    name="arithmetic",
    summary="Two tensors of one element type added, subtracted, multiplied or divided, axes of size 1 broadcast.",
    ports=ports,
    build=build,
    parameters={
        "operator": {"enum": list(_OPERATORS), "description": "What to do.", "examples": ["add"]},
    },
    required=("operator",),
    example={"kind": "arithmetic", "operator": "add", "inputs": {"left": "a.rows", "right": "b.rows"}},
)
