"""`gather`: picks rows out of a tensor, for example one state per token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import UNKNOWN, TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.emitter import Emitter


_ROWS = Variable("rows")


def _axis(part: PartView) -> int | None:
    axis = part.parameters.get("axis")
    return axis if isinstance(axis, int) else None


def ports(part: PartView) -> Ports:
    """Take states of rank 2 or more and flat indices; output rows. With an axis, output slices along it."""
    states = part.arriving("states")
    axis = _axis(part)
    if axis is not None:
        return _along(part, axis)
    rank = max(states.rank or 2, 2)
    features = states.dims[-1] if states.dims else None
    leading = tuple(Variable(f"axis_{axis}") for axis in range(rank - 1))
    return Ports(
        inputs=(
            Port("states", TensorType(None, (*leading, None) if states.rank else None)),
            Port("indices", TensorType("int64", (_ROWS,)), fill="indices", about="states"),
        ),
        outputs=(Port("rows", TensorType(states.dtype, (_ROWS, features))),),
    )


def _along(part: PartView, axis: int) -> Ports:
    states, indices = part.arriving("states"), part.arriving("indices")
    dims = None
    if states.dims is not None and indices.dims is not None and -len(states.dims) <= axis < len(states.dims):
        place = axis % len(states.dims)
        dims = (*states.dims[:place], *indices.dims, *states.dims[place + 1 :])
    integers = indices.dtype if indices.dtype in {"int32", "int64"} else "int64"
    inputs = (Port("states", UNKNOWN), Port("indices", TensorType(integers, None)))
    return Ports(inputs, (Port("rows", TensorType(states.dtype, dims)),))


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of an axis that the tensor does not have."""
    axis, rank = _axis(part), part.arriving("states").rank
    if axis is not None and rank is not None and not -rank <= axis < rank:
        yield Complaint(("axis",), f"there is no axis {axis}: the tensor has {rank}", f"write {-rank} to {rank - 1}")


def build(part: PartView, emit: Emitter) -> None:
    """Flatten all axes but the last, then gather; or gather along an axis."""
    states = emit.input("states")
    axis = _axis(part)
    if axis is not None:
        emit.output("rows", emit.op("Gather", [states, emit.input("indices")], "gather", axis=axis))
        return
    if part.arriving("states").rank != 2:  # noqa: PLR2004 - rows by features needs no flattening
        features = part.arriving("states").dims
        last = features[-1] if features and isinstance(features[-1], int) else None
        if last is None:
            states = _flatten_unknown(emit, states)
        else:
            states = emit.op("Reshape", [states, emit.integers("flat_shape", [-1, last])], "flatten")
    emit.output("rows", emit.op("Gather", [states, emit.input("indices")], "gather", axis=0))


def _flatten_unknown(emit: Emitter, states: str) -> str:
    """Flatten when the number of features is known only at run time."""
    shape = emit.op("Shape", [states], "shape")
    last = emit.op("Gather", [shape, emit.integers("last_axis", [-1])], "features", axis=0)
    flat = emit.op("Concat", [emit.integers("rows", [-1]), last], "flat_shape", axis=0)
    return emit.op("Reshape", [states, flat], "flatten")


KIND = Kind(
    name="gather",
    summary="Rows of a tensor by flat index: every axis but the last is flattened first, so that for language-model "
    "states the index is `position * sentences + sentence`.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "axis": {
            "type": "integer",
            "minimum": -8,
            "maximum": 7,
            "description": "The axis whose slices are picked, by indices of any rank. Without it, all axes but the "
            "last are flattened.",
            "examples": [1],
        }
    },
    example={"kind": "gather", "inputs": {"states": "forward_lm.states", "indices": "forwardIndices"}},
)
