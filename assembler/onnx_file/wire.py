"""Walks the fields of a protobuf message in a file, without reading the large ones.

https://protobuf.dev/programming-guides/encoding/ is what is followed. Only the levels that are asked for are walked, so
nothing here recurses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10
_SIGN, _WRAP = 1 << 63, 1 << 64


class WireError(ValueError):
    """The bytes are no such message."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        number: Its number.
        kind: Its wire type.
        value: Its value, of a varint.
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


def fields(stream: BinaryIO, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message at `start` to `end`.

    Raises:
        WireError: The bytes are no message.
    """
    place = start
    while place < end:
        stream.seek(place)
        key, size = _varint(stream)
        begin, place = place, place + size
        number, kind = key >> 3, key & 7
        value = 0
        if kind == VARINT:
            value, size = _varint(stream)
            stop = place + size
        elif kind == LENGTH:
            length, size = _varint(stream)
            place += size
            stop = place + length
        elif kind in _FIXED:
            stop = place + _FIXED[kind]
        else:
            message = f"a field of the wire type {kind}"
            raise WireError(message)
        if number == 0 or stop > end:
            message = "a field goes beyond the end of its message" if number else "a field without a number"
            raise WireError(message)
        yield Field(number, kind, value, begin, place, stop)
        place = stop


def content(stream: BinaryIO, field: Field) -> bytes:
    """Return the bytes of a field's content."""
    stream.seek(field.start)
    return stream.read(field.end - field.start)


def varints(data: bytes) -> list[int]:
    """Return the numbers of a packed field.

    Raises:
        WireError: The last one is cut.
    """
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the mark of a last byte
            numbers.append(number)
            number, shift = 0, 0
        elif shift >= 7 * _LONGEST_VARINT:
            message = "a number that is too long"
            raise WireError(message)
    if shift:
        message = "a number that is cut"
        raise WireError(message)
    return numbers


def signed(number: int) -> int:
    """Return a varint as the int64 that it encodes."""
    number %= _WRAP
    return number - _WRAP if number >= _SIGN else number


def _varint(stream: BinaryIO) -> tuple[int, int]:
    number = 0
    for place in range(_LONGEST_VARINT):
        byte = stream.read(1)
        if not byte:
            break
        number |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:  # noqa: PLR2004 - the mark of a last byte
            return number, place + 1
    message = "a number that is cut or too long"
    raise WireError(message)
