"""Walks the fields of protobuf messages in a file. Their contents are read only on request, and nothing here recurses.

The wire format is that of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator

    #: A file, or a memory map of one.
    Readable: TypeAlias = BinaryIO | mmap.mmap

VARINT, LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10
# The last byte of a number is smaller. Nearly all keys and most lengths are one byte, so these are read apart.
_LAST = 0x80
# The key of a field, and the number after it: a value or a length.
_LONGEST_HEAD = 2 * _LONGEST_VARINT
_SIGN, _WRAP = 1 << 63, 1 << 64


class WireError(ValueError):
    """The bytes are not a protobuf message, or not one of the expected kind."""


class Field(NamedTuple):
    """One field of a message, or a whole message.

    Attributes:
        number: Its number.
        kind: Its wire type.
        value: Its value, of a varint: 0 to 2^64 - 1.
        begin: Where its key begins in the file.
        start: Where its content begins.
        end: Where it ends.
    """

    number: int
    kind: int
    value: int
    begin: int
    start: int
    end: int


def whole(stream: Readable) -> Field:
    """Return a whole file as a message."""
    stream.seek(0, os.SEEK_END)
    return Field(0, LENGTH, 0, 0, 0, stream.tell())


def fields(stream: Readable, message: Field, spend: Callable[[], object] | None = None) -> Iterator[Field]:
    """Yield the fields of a message.

    A field that is not a message has none: protobuf skips a field whose wire type is not the expected one.

    Args:
        stream: The file. It may be read elsewhere between two fields.
        message: The message.
        spend: Is called before each field, and can raise.

    Raises:
        WireError: The bytes are not a message.
    """
    place, end = (message.start, message.end) if message.kind == LENGTH else (0, 0)
    while place < end:
        if spend is not None:
            spend()
        stream.seek(place)
        head = stream.read(min(_LONGEST_HEAD, end - place))
        key, size = (head[0], 1) if head and head[0] < _LAST else _varint(head, 0)
        number, kind, value, start = key >> 3, key & 7, 0, place + size
        if kind == VARINT:
            value, size = _varint(head, size)
            stop = place + size
        elif kind == LENGTH:
            short = size < len(head) and head[size] < _LAST
            length, size = (head[size], size + 1) if short else _varint(head, size)
            start = place + size
            stop = start + length
        elif kind in _FIXED:
            stop = start + _FIXED[kind]
        else:
            error = f"no protobuf field begins at byte {start}"
            raise WireError(error)
        if stop > end or number == 0:
            error = "it is cut short or damaged"
            raise WireError(error)
        yield Field(number, kind, value, place, start, stop)
        place = stop


def content(stream: Readable, field: Field) -> bytes:
    """Return the bytes of a field's content."""
    stream.seek(field.start)
    return stream.read(field.end - field.start)


def numbers(stream: Readable, field: Field) -> list[int]:
    """Return the whole numbers of a repeated field, which may be packed, or be one number.

    Raises:
        WireError: It holds no whole numbers, or the last one is cut.
    """
    if field.kind == VARINT:
        return [field.value]
    if field.kind != LENGTH:
        message = "a size in it is not a whole number"
        raise WireError(message)
    return varints(content(stream, field))


def varints(data: bytes) -> list[int]:
    """Return the numbers of a packed field.

    Raises:
        WireError: The last one is cut.
    """
    found, place = [], 0
    while place < len(data):
        number, place = _varint(data, place)
        found.append(number)
    return found


def signed(number: int) -> int:
    """Return a varint as the int64 that it encodes."""
    return number - _WRAP if number >= _SIGN else number


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the number that begins at a place, and where it ends."""
    number = shift = 0
    for place in range(start, min(len(data), start + _LONGEST_VARINT)):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < _LAST:
            return number % _WRAP, place + 1
        shift += 7
    message = "it ends in the middle of a number, or a number is too long"
    raise WireError(message)
