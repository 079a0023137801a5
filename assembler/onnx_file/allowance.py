"""Counts what reading the headers of ONNX files costs: a file can hold any number of fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.onnx_file.wire import LENGTH, Field, content, fields, numbers, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_file.wire import Readable


class TooLargeError(ValueError):
    """A header has more fields or text than are read."""


class Allowance:
    """What may still be read of headers: a file can hold any number of fields, a spec any number of files."""

    def __init__(self) -> None:
        """Allow several times what the largest models need."""
        self._fields = 2_000_000
        self._text = 1 << 26

    def spend_field(self) -> None:
        """Count a field.

        Raises:
            TooLargeError: There were too many.
        """
        self._fields -= 1
        if self._fields < 0:
            message = "its header has more fields than are read"
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


@dataclass(frozen=True, slots=True, eq=False)
class CountedFile:
    """A file, and what may still be spent on it. Each method raises `TooLargeError` if that is exceeded."""

    stream: Readable
    allowance: Allowance

    @property
    def whole(self) -> Field:
        """The file as a message."""
        return whole(self.stream)

    def fields(self, message: Field) -> Iterator[Field]:
        """Yield the fields of a message, without reading their contents.

        Raises:
            WireError: The bytes are not a message.
        """
        return fields(self.stream, message, self.allowance.spend_field)

    def content(self, field: Field) -> bytes:
        """Return the bytes of a field, or no bytes if it is a number."""
        if field.kind != LENGTH:
            return b""
        self.allowance.spend_text(field.end - field.start)
        return content(self.stream, field)

    def text(self, field: Field) -> str:
        """Return the text in a field.

        Raises:
            UnicodeDecodeError: It is not UTF-8.
        """
        return self.content(field).decode("utf-8")

    def numbers(self, field: Field) -> list[int]:
        """Return the whole numbers of a repeated field.

        Raises:
            WireError: It holds none, or the last one is cut.
        """
        self.allowance.spend_text(field.end - field.start)
        return numbers(self.stream, field)
