"""Typed reading of JSON that may be damaged: every field that is missing or of another type becomes a problem."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from assembler.core.errors import ModelError
from assembler.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Entry = TypeVar("Entry")
Value = TypeVar("Value")

_LARGEST = sys.float_info.max
_REBUILD = "the metadata of this file is damaged: assemble the model again"


def damaged(place: str, message: str, file: str | None, hint: str = _REBUILD) -> ModelError:
    """Return the error for the metadata at `place`, a dotted path that starts with a key of the metadata."""
    return ModelError(Problem("M013", f"{place}: {message}", hint, file))


def each(read: Callable[[Entry], Value], entries: Iterable[Entry]) -> tuple[Value, ...]:
    """Return the result of `read` for each entry.

    Raises:
        ModelError: With the problems of all entries, not only of the first.
    """
    values: list[Value] = []
    problems: list[Problem] = []
    for entry in entries:
        try:
            values.append(read(entry))
        except ModelError as err:
            problems.extend(err.problems)
    if problems:
        raise ModelError(*problems)
    return tuple(values)


def strings(value: object, place: str, file: str | None) -> tuple[str, ...]:
    """Return a JSON list of strings."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise damaged(place, f"expected a list of strings, got {reprlib.repr(value)}", file)
    return tuple(value)


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object, its place in the metadata and the file it came from."""

    values: Mapping[str, object]
    place: str
    file: str | None = None

    @classmethod
    def of(cls, value: object, place: str, file: str | None) -> Fields:
        """Return the fields of a value that has to be an object."""
        if not isinstance(value, Mapping):
            raise damaged(place, f"expected an object, got {reprlib.repr(value)}", file)
        return cls(value, place, file)

    def error(self, key: str, message: str) -> ModelError:
        """Return the error for the field `key`."""
        return damaged(f"{self.place}.{key}", message, self.file)

    def value(self, key: str) -> object:
        """Return the field unchanged; it must be there."""
        if key not in self.values:
            raise self.error(key, "the field is missing")
        return self.values[key]

    def text(self, key: str) -> str:
        """Return a field that has to be a string, an empty one included."""
        value = self.value(key)
        if not isinstance(value, str):
            raise self.error(key, f"expected a string, got {reprlib.repr(value)}")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a field that has to be there, as a string or as null."""
        return None if self.value(key) is None else self.text(key)

    def choice(self, key: str, choices: Collection[str]) -> str:
        """Return a field that has to be one of a few strings."""
        value = self.text(key)
        if value not in choices:
            raise self.error(key, f"expected one of {', '.join(choices)}, got {reprlib.repr(value)}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a field that has to be a list of strings."""
        return strings(self.value(key), f"{self.place}.{key}", self.file)

    def flag(self, key: str) -> bool:
        """Return a field that has to be true or false."""
        value = self.value(key)
        if not isinstance(value, bool):
            raise self.error(key, f"expected true or false, got {reprlib.repr(value)}")
        return value

    def number(self, key: str, limits: range) -> int:
        """Return a field that has to be an integer within `limits`."""
        value = self.value(key)
        if not isinstance(value, int) or isinstance(value, bool) or value not in limits:
            expected = f"an integer from {limits.start} to {limits.stop - 1}"
            raise self.error(key, f"expected {expected}, got {reprlib.repr(value)}")
        return value

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a field that has to be a list of numbers."""
        value = self.value(key)
        numbers = value if isinstance(value, list | tuple) else ()
        given = (n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool))
        read = tuple(float(n) for n in given if abs(n) <= _LARGEST)
        if not isinstance(value, list | tuple) or len(read) < len(numbers):
            raise self.error(key, f"expected a list of numbers, got {reprlib.repr(value)}")
        return read

    def child(self, key: str) -> Fields:
        """Return a field that has to be an object."""
        return Fields.of(self.value(key), f"{self.place}.{key}", self.file)

    def objects(self, key: str) -> tuple[Fields, ...]:
        """Return a field that has to be a list of objects."""
        value = self.value(key)
        if not isinstance(value, list | tuple):
            raise self.error(key, f"expected a list, got {reprlib.repr(value)}")
        return tuple(Fields.of(item, f"{self.place}.{key}[{index}]", self.file) for index, item in enumerate(value))
