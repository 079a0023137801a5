"""Refuses ONNX files whose structure would keep ONNX Runtime, or onnx, busy forever, before either sees them.

A file of a few kilobytes can expand to more than any machine holds: functions that each call the one before twice,
graphs in graphs, tensors that declare 2^62 elements and store none. Neither library bounds this, and neither answers a
signal meanwhile. So the fields of the file are walked first: without onnx, without recursion, and without its weights,
whose bytes are never read. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import mmap
import os
from math import prod
from typing import TYPE_CHECKING, BinaryIO

from assembler.core.file_forms import refuse_other_forms
from assembler.core.regular_files import open_regular
from assembler.onnx_file.expansion import MOST_NODES, Body, UnboundedError, require_few, shown
from assembler.onnx_file.messages import PATHS
from assembler.onnx_file.wire import LENGTH, Field, content, fields, numbers, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_file.expansion import Key

#: How deep graphs may be nested: protobuf reads a hundred nested messages, and each graph takes three.
DEEPEST_GRAPH = 32
#: How many fields are looked at, which takes some seconds.
MOST_FIELDS = 5_000_000
#: The most elements of a tensor whose bytes are in another file, and of a sparse tensor.
_MOST_EXTERNAL, _MOST_SPARSE = 1 << 40, 1 << 28
#: The most elements in a byte: onnx packs types of two bits.
_DENSEST = 4
_NEGATIVE = 1 << 63

#: The fields in which a node names the function that it calls, and a function itself: domain, name, overload.
_CALLED, _CALLS = (10, 1, 13), (7, 4, 8)
#: Fields of TensorProto and SparseTensorProto.
_DIMS, _LOCATION, _EXTERNAL, _SPARSE_DIMS = 1, 14, 1, 3


def require_bounded(
    path: str | os.PathLike[str], *, most_nodes: int = MOST_NODES, most_called: int = MOST_NODES
) -> None:
    """Walk through an ONNX file, and refuse it if it expands without a bound.

    Args:
        path: The file.
        most_nodes: The most nodes, including those to which functions expand.
        most_called: The most nodes to which functions may expand. ONNX Runtime's time grows with their square.

    Raises:
        OSError: It cannot be read, or is not a regular file.
        UnboundedError: It expands to more than can be run, or calls itself.
        ValueError: It is damaged, or not an ONNX model.
    """
    with open_regular(os.fspath(path)) as stream:
        require_bounded_stream(stream, most_nodes=most_nodes, most_called=most_called)


def require_bounded_stream(stream: BinaryIO, *, most_nodes: int = MOST_NODES, most_called: int = MOST_NODES) -> None:
    """Walk through an ONNX file that is open, as `require_bounded`.

    Raises:
        UnboundedError, ValueError: As `require_bounded`.
    """
    if os.fstat(stream.fileno()).st_size == 0:
        message = "it is empty"
        raise ValueError(message)
    refuse_other_forms(stream)
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        bodies = _bodies(_Walk(data))
    require_few(bodies, most_nodes, most_called)


class _Walk:
    """A file, whose fields are counted."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self._left = MOST_FIELDS

    def fields(self, message: Field) -> Iterator[Field]:
        return fields(self.data, message, self._spend)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            message = f"it has more than {MOST_FIELDS} fields"
            raise UnboundedError(message)


def _bodies(walk: _Walk) -> dict[Key | None, Body]:
    """Return the content of each function, and of the main graph, whose key is `None`."""
    bodies: dict[Key | None, Body] = {None: Body()}
    pending: list[tuple[str, Field, int, Body]] = [("ModelProto", whole(walk.data), 0, bodies[None])]
    while pending:
        kind, message, depth, body = pending.pop()
        if kind == "TensorProto":
            _require_stored(walk, message)
            continue
        if kind == "SparseTensorProto":
            _require_narrow(walk, message)
        elif kind == "FunctionProto":
            body = _function(walk, message, bodies)
        elif kind == "NodeProto":
            body.nodes += 1
            body.size += message.end - message.start
            body.calls[_named(walk, message, _CALLS)] += 1
        elif kind == "GraphProto":
            depth = _deeper(depth)
        paths = PATHS[kind]
        pending += [
            (paths[part.number], part, depth, body)
            for part in walk.fields(message)
            if part.kind == LENGTH and part.number in paths
        ]
    return bodies


def _function(walk: _Walk, message: Field, bodies: dict[Key | None, Body]) -> Body:
    key = _named(walk, message, _CALLED)
    if key in bodies:
        problem = f"two of its functions are called '{shown(key)}'"
        raise UnboundedError(problem)
    return bodies.setdefault(key, Body())


def _deeper(depth: int) -> int:
    if depth == DEEPEST_GRAPH:
        message = f"its graphs are nested more than {DEEPEST_GRAPH} deep"
        raise UnboundedError(message)
    return depth + 1


def _require_stored(walk: _Walk, tensor: Field) -> None:
    """Refuse a tensor that declares more elements than its bytes can hold."""
    dims: list[int] = []
    external = False
    for part in walk.fields(tensor):
        if part.number == _DIMS:
            dims += numbers(walk.data, part)
        elif part.number == _LOCATION:
            external = part.value == _EXTERNAL
    _require_size(dims, _MOST_EXTERNAL if external else (tensor.end - tensor.start) * _DENSEST)


def _require_narrow(walk: _Walk, tensor: Field) -> None:
    """Refuse a sparse tensor that would be too large as a dense one, which ONNX Runtime makes of it."""
    dims = (
        number for part in walk.fields(tensor) if part.number == _SPARSE_DIMS for number in numbers(walk.data, part)
    )
    _require_size([*dims], _MOST_SPARSE)


def _require_size(dims: list[int], most: int) -> None:
    if any(dim >= _NEGATIVE for dim in dims):
        message = "a tensor in it has a negative size"
        raise UnboundedError(message)
    if prod(dims) > most:
        message = f"a tensor in it declares {' × '.join(map(str, dims[:4]))} elements and does not hold them"  # noqa: RUF001 - the sign is meant
        raise UnboundedError(message)


def _named(walk: _Walk, message: Field, places: tuple[int, int, int]) -> Key:
    """Return domain, name and overload. If a field occurs twice, protobuf takes the last."""
    found = {part.number: part for part in walk.fields(message) if part.kind == LENGTH and part.number in places}
    domain, name, overload = (content(walk.data, found[each]) if each in found else b"" for each in places)
    return b"" if domain == b"ai.onnx" else domain, name, overload
