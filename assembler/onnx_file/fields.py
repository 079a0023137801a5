"""Walks the fields of an ONNX file and counts what that costs: a file can hold any number of them.

Wire format: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its number, its value where that is a number, and where its content stands."""

    number: int
    value: int
    start: int
    length: int


class TooLargeError(ValueError):
    """A header has more in it than is read of one."""


class Allowance:
    """What may still be spent on headers: a file can hold any number of fields, and a spec name any number of files."""

    def __init__(self) -> None:
        """Begin with what the largest models need several times over."""
        self._fields = 2_000_000
        self._text = 1 << 26

    def spend_field(self) -> None:
        """Count a field.

        Raises:
            TooLargeError: There were too many.
        """
        self._fields -= 1
        if self._fields < 0:
            message = "it has more fields than are read of a header"
            raise TooLargeError(message)

    def spend_text(self, length: int) -> None:
        """Count the bytes of a text, before they are read.

        Raises:
            TooLargeError: There were too many.
        """
        self._text -= length
        if self._text < 0:
            message = "its names and metadata are longer than 64 MiB"
            raise TooLargeError(message)


class Wire:
    """A file whose fields are counted."""

    def __init__(self, stream: BinaryIO, allowance: Allowance) -> None:
        """Begin to count, or go on."""
        self.stream = stream
        self.allowance = allowance


def text(wire: Wire, field: Field) -> str:
    """Return the text in a field."""
    wire.allowance.spend_text(field.length)
    wire.stream.seek(field.start)
    return wire.stream.read(field.length).decode("utf-8")


def fields(wire: Wire, start: int, length: int) -> Iterator[Field]:
    """Yield the fields of one message; their contents are not read."""
    position, end, stream = start, start + length, wire.stream
    while position < end:
        wire.allowance.spend_field()
        stream.seek(position)
        key, position = _varint(stream, position)
        form, value, size = key & 7, 0, 0
        if form == _VARINT:
            value, position = _varint(stream, position)
        elif form == _BYTES:
            size, position = _varint(stream, position)
        elif form in {_FIXED64, _FIXED32}:
            size = 8 if form == _FIXED64 else 4
        else:
            message = f"byte {position} begins no protobuf field"
            raise ValueError(message)
        if position + size > end or key >> 3 == 0:
            message = "it is cut short or damaged"
            raise ValueError(message)
        yield Field(key >> 3, value, position, size)
        position += size


def packed_numbers(wire: Wire, field: Field) -> list[int]:
    """Return the whole numbers that a field holds one after the other."""
    wire.allowance.spend_text(field.length)
    wire.stream.seek(field.start)
    numbers, position = [], field.start
    while position < field.start + field.length:
        number, position = _varint(wire.stream, position)
        numbers.append(number)
    return numbers


def _varint(stream: BinaryIO, position: int) -> tuple[int, int]:
    result = 0
    for index in range(_LONGEST_VARINT):
        byte = stream.read(1)
        if not byte:
            message = "it ends in the middle of a field"
            raise ValueError(message)
        result |= (byte[0] & 0x7F) << (7 * index)
        if not byte[0] & 0x80:
            return result, position + index + 1
    message = f"byte {position} begins no number"
    raise ValueError(message)
