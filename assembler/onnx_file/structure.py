"""Refuses ONNX files whose structure would keep ONNX Runtime, or onnx, busy forever, before either sees them.

A file of a few kilobytes can expand to more than any machine holds: functions that each call the one before twice,
graphs in graphs, tensors that declare 2^62 elements and store none. Neither library bounds this, and neither answers a
signal meanwhile. So the fields of the file are walked first: without onnx, without recursion, and without its weights,
whose bytes are never read. Field numbers are those of onnx.proto, the wire format that of
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import mmap
import os
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from assembler.core.file_forms import refuse_other_forms
from assembler.core.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    Buffer: TypeAlias = bytes | mmap.mmap
    #: Domain, name and overload: what a node calls a function by.
    _Key: TypeAlias = tuple[bytes, bytes, bytes]

#: The most nodes that a file may have, including those to which its functions expand.
MOST_NODES = 1_000_000
#: How deep graphs may be nested: protobuf reads a hundred nested messages, and each graph takes three.
DEEPEST_GRAPH = 32
#: How many functions may call each other in a row.
DEEPEST_CALL = 100
#: How many fields are looked at: some seconds' worth.
MOST_FIELDS = 5_000_000
#: The most bytes to which functions may expand, including their constants.
MOST_BYTES = 1 << 31
#: The most elements of a tensor whose bytes lie elsewhere, and of one that stores a few of its elements alone.
_MOST_EXTERNAL, _MOST_SPARSE = 1 << 40, 1 << 28
#: So many elements fit a byte at most: onnx packs types of two bits.
_DENSEST = 4

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10
_NEGATIVE = 1 << 63

#: For each message the fields that lead on, and to what.
_PATHS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
}
#: The fields in which a node names the function that it calls, and a function itself: domain, name, overload.
_CALLED, _CALLS = (10, 1, 13), (7, 4, 8)
#: Fields of TensorProto and SparseTensorProto.
_DIMS, _LOCATION, _EXTERNAL, _SPARSE_DIMS = 1, 14, 1, 3


class UnboundedError(ValueError):
    """A file expands to more than a machine can handle."""


@dataclass(slots=True)
class _Body:
    """The content of the main graph, or of one function: nodes, bytes, and how often it calls each function."""

    nodes: int = 0
    size: int = 0
    calls: Counter[_Key] = field(default_factory=Counter)


def require_bounded(
    path: str | os.PathLike[str], *, most_nodes: int = MOST_NODES, most_called: int = MOST_NODES
) -> None:
    """Walk through an ONNX file and refuse it if it has no bound.

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
        bodies = _bodies(data)
    _require_few(bodies, most_nodes, most_called)


def _bodies(data: Buffer) -> dict[_Key | None, _Body]:
    """Return the content of each function, and of the main graph, whose key is `None`."""
    budget = _Budget(MOST_FIELDS)
    bodies: dict[_Key | None, _Body] = {None: _Body()}
    pending: list[tuple[str, int, int, int, _Body]] = [("Model", 0, len(data), 0, bodies[None])]
    while pending:
        kind, start, end, depth, body = pending.pop()
        if kind in _LEAVES:
            _LEAVES[kind](data, start, end, budget)
        elif kind == "Function":
            body = _function(data, start, end, bodies, budget)
        elif kind == "Node":
            body.nodes += 1
            body.size += end - start
            body.calls[_named(data, start, end, _CALLS, budget)] += 1
        elif kind == "Graph":
            depth = _deeper(depth)
        paths = _PATHS.get(kind)
        if paths is None:
            continue
        for number, wire, first, last in _fields(data, start, end, budget):
            if wire == _LENGTH and number in paths:
                pending.append((paths[number], first, last, depth, body))
    return bodies


def _function(data: Buffer, start: int, end: int, bodies: dict[_Key | None, _Body], budget: _Budget) -> _Body:
    key = _named(data, start, end, _CALLED, budget)
    if key in bodies:
        message = f"two of its functions are called '{_shown(key)}'"
        raise UnboundedError(message)
    return bodies.setdefault(key, _Body())


def _deeper(depth: int) -> int:
    if depth == DEEPEST_GRAPH:
        message = f"its graphs are nested more than {DEEPEST_GRAPH} deep"
        raise UnboundedError(message)
    return depth + 1


def _require_few(bodies: dict[_Key | None, _Body], most_nodes: int, most_called: int) -> None:
    """Refuse functions that call themselves, and those that expand to too much. Counts stop at the limits."""
    known: dict[_Key | None, tuple[int, int, int]] = {}
    main = bodies[None]
    for key in _called_first(bodies):
        body = bodies[key]
        inner = [(known[callee], times) for callee, times in body.calls.items() if callee in bodies]
        depth = 1 + max((found[2] for found, _ in inner), default=0)
        if key is not None and depth > DEEPEST_CALL:
            message = f"more than {DEEPEST_CALL} of its functions call each other in a row"
            raise UnboundedError(message)
        nodes = body.nodes + sum(found[0] * times for found, times in inner)
        size = body.size + sum(found[1] * times for found, times in inner)
        known[key] = min(nodes, most_nodes + 1), min(size, MOST_BYTES + len(bodies) + main.size), depth
    nodes, size, _ = known[None]
    called = nodes - main.nodes
    if called > most_called or (called and nodes > most_nodes):
        message = f"its functions expand to more than {min(most_called, most_nodes)} nodes"
        raise UnboundedError(message)
    if nodes > most_nodes:
        message = f"it has more than {most_nodes} nodes"
        raise UnboundedError(message)
    if size - main.size > MOST_BYTES:
        message = "its functions expand to more than 2 GB"
        raise UnboundedError(message)


def _called_first(bodies: dict[_Key | None, _Body]) -> Iterator[_Key | None]:
    """Yield every body after those that it calls.

    Raises:
        UnboundedError: A function calls itself, if only by way of others.
    """
    done: set[_Key | None] = set()
    for root, body in bodies.items():
        open_: dict[_Key | None, Iterator[_Key]] = {root: iter(body.calls)} if root not in done else {}
        while open_:
            key, calls = next(reversed(open_.items()))
            callee = next((each for each in calls if each in bodies and each not in done), None)
            if callee is None:
                del open_[key]
                done.add(key)
                yield key
            elif callee in open_:
                message = f"its function '{_shown(callee)}' calls itself"
                raise UnboundedError(message)
            else:
                open_[callee] = iter(bodies[callee].calls)


def _require_stored(data: Buffer, start: int, end: int, budget: _Budget) -> None:
    """Refuse a tensor that declares more elements than its bytes can hold."""
    dims: list[int] = []
    external = False
    for number, wire, first, last in _fields(data, start, end, budget):
        if number == _DIMS:
            dims += _numbers(data, wire, first, last)
        elif number == _LOCATION and wire == _VARINT:
            external = _varint(data, first, last)[0] == _EXTERNAL
    _require_size(dims, _MOST_EXTERNAL if external else (end - start) * _DENSEST)


def _require_narrow(data: Buffer, start: int, end: int, budget: _Budget) -> None:
    """Refuse a sparse tensor that is too large to be written out, as ONNX Runtime does with it."""
    dims: list[int] = []
    for number, wire, first, last in _fields(data, start, end, budget):
        if number == _SPARSE_DIMS:
            dims += _numbers(data, wire, first, last)
    _require_size(dims, _MOST_SPARSE)


def _require_size(dims: list[int], most: int) -> None:
    if any(dim >= _NEGATIVE for dim in dims):
        message = "a tensor in it has a negative size"
        raise UnboundedError(message)
    if prod(dims) > most:
        message = f"a tensor in it declares {' × '.join(map(str, dims[:4]))} elements and does not hold them"  # noqa: RUF001 - the sign is meant
        raise UnboundedError(message)


#: Messages of which more is looked at than where they lead.
_LEAVES = {"Tensor": _require_stored, "Sparse": _require_narrow}


def _named(data: Buffer, start: int, end: int, numbers: tuple[int, int, int], budget: _Budget) -> _Key:
    """Return domain, name and overload. If a field occurs twice, protobuf takes the last."""
    found = {
        number: bytes(data[first:last])
        for number, wire, first, last in _fields(data, start, end, budget)
        if wire == _LENGTH and number in numbers
    }
    domain, name, overload = (found.get(number, b"") for number in numbers)
    return b"" if domain == b"ai.onnx" else domain, name, overload


def _shown(key: _Key | None) -> str:
    return ascii((key or (b"", b"", b""))[1].decode("utf-8", "replace"))[1:-1][:60]


@dataclass(slots=True)
class _Budget:
    """How many fields may still be looked at."""

    left: int

    def spend(self) -> None:
        """Count one field."""
        self.left -= 1
        if self.left < 0:
            message = f"it has more than {MOST_FIELDS} fields"
            raise UnboundedError(message)


def _fields(data: Buffer, start: int, end: int, budget: _Budget) -> Iterator[tuple[int, int, int, int]]:
    """Yield the fields of a message: number, wire type, and where the value begins and ends."""
    position = start
    while position < end:
        budget.spend()
        key = data[position]
        position += 1
        if key & 0x80:
            key, position = _varint(data, position - 1, end)
        number, wire = key >> 3, key & 7
        if wire == _LENGTH:
            size, first = _varint(data, position, end)
            last = first + size
        elif wire == _VARINT:
            first = position
            _, last = _varint(data, position, end)
        elif wire in _FIXED:
            first, last = position, position + _FIXED[wire]
        else:
            message = f"byte {position} begins no protobuf field"
            raise ValueError(message)
        if last > end or number == 0:
            message = "it is cut short or damaged"
            raise ValueError(message)
        yield number, wire, first, last
        position = last


def _numbers(data: Buffer, wire: int, first: int, last: int) -> Iterator[int]:
    """Yield the numbers of a repeated field, which may be packed."""
    position = first
    while position < last:
        number, position = _varint(data, position, last)
        yield number
    if wire not in {_VARINT, _LENGTH}:
        message = "a size in it is no number"
        raise ValueError(message)


def _varint(data: Buffer, position: int, end: int) -> tuple[int, int]:
    result = shift = 0
    for place in range(position, min(end, position + _LONGEST_VARINT)):
        byte = data[place]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
            return result & (1 << 64) - 1, place + 1
        shift += 7
    message = "it ends in the middle of a number, or a number is too long"
    raise ValueError(message)
