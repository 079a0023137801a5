"""`reshape`: the same values in another shape."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE, NAME
from assembler.core.tensors import UNKNOWN, Dim, TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def _shape(part: PartView) -> list[int | str]:
    """Return the sizes; a name is a dim that arrives, or names the one size that is inferred."""
    shape = part.parameters["shape"]
    return [size for size in shape if isinstance(size, int | str)] if isinstance(shape, list) else []


def _inferred(shape: Sequence[int | str], arriving: Sequence[Dim]) -> list[int]:
    """Return the places of the sizes that only the others tell."""
    return [index for index, size in enumerate(shape) if size == -1 or (isinstance(size, str) and size not in arriving)]


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of sizes that the arriving tensor cannot have."""
    shape, type_ = _shape(part), part.arriving("tensor")
    inferred = _inferred(shape, type_.dims or ())
    if len(inferred) > 1:
        listed = ", ".join(str(shape[index]) for index in inferred)
        message = f"more than one size is to be inferred: {listed}"
        arrives = f", but {type_} arrives" if type_.dims is not None else ""
        yield Complaint(("shape",), message, f"a name is a dim of the tensor{arrives}; one more may be a name or -1")
    if type_.dims is None:
        return
    beyond = [index for index, size in enumerate(shape) if size == 0 and index >= len(type_.dims)]
    for index in beyond:
        yield Complaint(("shape", index), f"0 keeps the size of axis {index}, but {type_} arrives")
    if not beyond and len(inferred) <= 1 and None not in type_.dims:
        yield from _misfits(shape, type_, type_.dims, inferred)


def _misfits(
    shape: Sequence[int | str], type_: TensorType, arriving: Sequence[Dim], inferred: Sequence[int]
) -> Iterator[Complaint]:
    """Complain where other numbers of values arrive than the shape holds, whatever the sizes of the dims are."""
    told = [
        arriving[index] if size == 0 else size for index, size in enumerate(shape) if index not in inferred
    ]  # fmt: skip
    (total, theirs), (wanted, ours) = _product(arriving), _product(told)
    if not inferred and total != wanted and theirs == ours and not theirs:
        yield Complaint(("shape",), f"{total} values arrive as {type_}, the shape holds {wanted}")
    elif not inferred and (total, theirs) != (wanted, ours):
        message = f"{_words(total, theirs)} values arrive as {type_}, the shape holds {_words(wanted, ours)}"
        yield Complaint(("shape",), message, "give each dim of the tensor a place, or infer one size with -1")
    elif inferred and ours - theirs:
        name = next(iter(ours - theirs))
        message = f"the shape has the dim '{name}' {ours[name]} times, {type_} has it {theirs[name]} times"
        yield Complaint(("shape",), message, "name each dim once, and infer another size with -1")
    elif inferred and ours == theirs and (total % wanted if wanted else total):
        message = f"{_words(total, theirs)} values arrive as {type_}, which {_words(wanted, ours)} does not divide"
        yield Complaint(("shape",), message)


def _product(dims: Sequence[Dim]) -> tuple[int, Counter[str]]:
    """Return the product of sizes as a number and the names that it is multiplied by."""
    return math.prod(dim for dim in dims if isinstance(dim, int)), Counter(str(dim) for dim in dims
                                                                           if not isinstance(dim, int))  # fmt: skip


def _words(number: int, names: Counter[str]) -> str:
    return " · ".join([*sorted(names.elements()), *([str(number)] if number != 1 or not names else [])])


def build(part: PartView, emit: Emitter) -> None:
    """Emit one Reshape; where axes of size 1 alone come and go among several dims, Squeeze and Unsqueeze.

    A constant shape can leave one size to be inferred. Further ones are read from the tensor.
    """
    shape, arriving, tensor = _shape(part), part.arriving("tensor").dims or (), emit.input("tensor")
    dims = [index for index, size in enumerate(shape) if not isinstance(size, int) or size == -1]
    if len(dims) <= 1:
        sizes = [-1 if index in dims else size for index, size in enumerate(shape)]
        emit.output("tensor", emit.op("Reshape", [tensor, emit.integers("shape", _numbers(sizes))], "reshape"))
    elif _moves_ones(shape, arriving):
        emit.output("tensor", _with_ones(shape, arriving, tensor, emit))
    else:
        emit.output("tensor", _of_read_sizes(shape, arriving, tensor, emit))


def _numbers(sizes: Sequence[int | str]) -> list[int]:
    return [size for size in sizes if isinstance(size, int)]


def _moves_ones(shape: Sequence[int | str], arriving: Sequence[Dim]) -> bool:
    """Return whether two shapes differ in axes of size 1 alone."""
    return not {0, -1} & {*shape} and [size for size in shape if size != 1] == [dim for dim in arriving if dim != 1]


def _with_ones(shape: Sequence[int | str], arriving: Sequence[Dim], tensor: str, emit: Emitter) -> str:
    gone = [axis for axis, dim in enumerate(arriving) if dim == 1]
    new = [axis for axis, size in enumerate(shape) if size == 1]
    if gone:
        tensor = emit.op("Squeeze", [tensor, emit.integers("gone", gone)], "squeeze")
    if new:
        tensor = emit.op("Unsqueeze", [tensor, emit.integers("new", new)], "unsqueeze")
    return tensor if gone or new else emit.op("Identity", [tensor], "same")


def _of_read_sizes(shape: Sequence[int | str], arriving: Sequence[Dim], tensor: str, emit: Emitter) -> str:
    """Read the sizes of dims from the tensor. A size of 0 that is read would copy an axis without `allowzero`."""
    sizes = emit.op("Shape", [tensor], "sizes")
    pieces = []
    for place, size in enumerate(shape):
        axis = place if size == 0 else arriving.index(size) if isinstance(size, str) and size in arriving else None
        if axis is not None:
            pieces.append(emit.op("Gather", [sizes, emit.integers(f"axis_{place}", [axis])], f"size_{place}", axis=0))
        else:
            pieces.append(emit.integers(f"size_{place}", [size if isinstance(size, int) else -1]))
    whole = emit.op("Concat", pieces, "shape", axis=0)
    zeros = {"allowzero": 1} if emit.opset >= 14 else {}  # noqa: PLR2004 - the opset that brought it
    return emit.op("Reshape", [tensor, whole], "reshape", **zeros)


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
            "description": "The new sizes: numbers, and names of dims of the tensor. 0 keeps the size of that axis. "
            "One more may be -1 or another name: it is inferred from the rest, and the name is what the dim is called.",
            "examples": [["total_tokens", 4096], [1, "batch", "tokens", 64]],
        }
    },
    required=("shape",),
    dims=("shape",),
    example={"kind": "reshape", "inputs": {"tensor": "striped.rows"}, "shape": ["total_tokens", 256]},
)
