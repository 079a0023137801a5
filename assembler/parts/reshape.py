"""`reshape`: the same values in another shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE, NAME
from assembler.core.tensors import UNKNOWN, Dim, TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take any tensor; output the given shape."""
    arriving = part.arriving("tensor")
    shape = _shape(part)
    dims: list[Dim] = []
    for index, size in enumerate(shape):
        if size == 0:
            dims.append(arriving.dims[index] if arriving.dims and index < len(arriving.dims) else None)
        else:
            dims.append(Variable("inferred") if size == -1 else size)
    if -1 in shape and arriving.dims and all(isinstance(dim, int) for dim in arriving.dims):
        rest = math.prod(dim for dim in dims if isinstance(dim, int))
        total = math.prod(dim for dim in arriving.dims if isinstance(dim, int))
        dims[shape.index(-1)] = total // rest if rest else None
    return Ports((Port("tensor", UNKNOWN),), (Port("tensor", TensorType(arriving.dtype, tuple(dims))),))


def _shape(part: PartView) -> list[Dim]:
    """Return the sizes; a name marks the one size that is inferred, and names it."""
    shape = part.parameters["shape"]
    return [size for size in shape if isinstance(size, int | str)] if isinstance(shape, list) else []


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of sizes that the arriving tensor cannot have."""
    shape, arriving = _shape(part), part.arriving("tensor").dims
    if sum(isinstance(size, str) or size == -1 for size in shape) > 1:
        yield Complaint(("shape",), "more than one size is to be inferred", "at most one size is a name or -1")
    if arriving is None:
        return
    for index, size in enumerate(shape):
        if size == 0 and index >= len(arriving):
            message = f"0 keeps the size of axis {index}, but {part.arriving('tensor')} arrives"
            yield Complaint(("shape", index), message)
    if all(isinstance(dim, int) for dim in arriving) and all(isinstance(size, int) and size > 0 for size in shape):
        total = math.prod(dim for dim in arriving if isinstance(dim, int))
        wanted = math.prod(size for size in shape if isinstance(size, int))
        if total != wanted:
            yield Complaint(("shape",), f"{total} values arrive as {part.arriving('tensor')}, the shape holds {wanted}")


def build(part: PartView, emit: Emitter) -> None:
    """Emit one Reshape."""
    sizes = [size if isinstance(size, int) else -1 for size in _shape(part)]
    emit.output("tensor", emit.op("Reshape", [emit.input("tensor"), emit.integers("shape", sizes)], "reshape"))


KIND = Kind(
    name="reshape",
    summary="The same values in another shape.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "shape": {
            "type": "array",
            "minItems": 1,
            "maxItems": 8,
            "items": {"type": ["string", "integer"], "pattern": NAME, "minimum": -1, "maximum": LARGEST_SIZE},
            "description": "The new sizes. 0 keeps the size of that axis. At most one is -1 or a name: it is inferred "
            "from the rest, and the name is the dim that it is known by.",
            "examples": [["total_tokens", 4096]],
        }
    },
    required=("shape",),
    dims=("shape",),
    example={"kind": "reshape", "inputs": {"tensor": "striped.rows"}, "shape": ["total_tokens", 256]},
)
