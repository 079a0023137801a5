"""YAML text to plain values, each with its place. Nothing in the text can run code, expand or grow without bound.

The language is the part of YAML that a spec needs, with the scalars of YAML 1.2's core schema: `no` and `on` are text,
`1e-5` is a number (by PyYAML's 1.1 rules it is text). Tags, anchors, aliases and several documents are refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import yaml

from assembler.core.errors import SpecError
from assembler.core.problems import Mark, Problem
from assembler.core.regular_files import leads_outside, links_on_the_way, open_inside, open_regular
from assembler.spec.other_files import other_file

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.core.values import Value

KeyPath: TypeAlias = tuple[str | int, ...]

MAXIMUM_BYTES = 1 << 20
MAXIMUM_DEPTH = 24
#: Keys and values together. A part has about ten; our largest spec has 200.
MAXIMUM_VALUES = 30_000

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# A number longer than any that a spec can need stays text, because int() of a long string is slow, and limited by
# Python.
_LONGEST_NUMBER = 40


#: What to write instead of half a character.
_WHOLE = "write the character itself, or \\U and its eight digits"


class _Position(Protocol):
    """A mark of PyYAML, which has two classes of them."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """The values of one YAML file, each with its place.

    Attributes:
        file: The file as the caller named it.
        text: The whole text.
        root: The plain value.
        values: From a path of keys and indices to the place of the value.
        keys: From the same paths to the place of the key, for those that are mapping entries.
    """

    file: str
    text: str
    root: Value
    values: dict[KeyPath, Mark]
    keys: dict[KeyPath, Mark]

    def mark(self, path: KeyPath) -> Mark:
        """Return the place of the value at `path`, or of the nearest value around it."""
        while path not in self.values and path:
            path = path[:-1]
        return self.values.get(path, Mark(self.file, 1, 1))

    def key_mark(self, path: KeyPath) -> Mark:
        """Return the place of the key at `path`, or of the value where it has no key."""
        return self.keys.get(path) or self.mark(path)


def read_text(path: Path | str, *, confined: bool = False) -> str:
    """Return the text of a spec file.

    Args:
        path: The file.
        confined: Whether it must be where its name says, not reached through a link that leads elsewhere.

    Raises:
        SpecError: The file cannot be read, is a checkpoint or a model, or is not UTF-8 (Y002), is over 1 MiB (Y006), or
            is elsewhere (W018).
    """
    file = str(path)
    try:
        if confined and leads_outside(path):
            message = "is reached by a link that leads elsewhere"
            raise SpecError(Problem("W018", message, "put the file itself here, or name the one it links to", file))
        with open_inside(*next(links_on_the_way(path))) if confined else open_regular(path) as stream:
            data = stream.read(MAXIMUM_BYTES + 1)
    except OSError as err:
        raise SpecError(Problem("Y002", f"cannot be read: {err.strerror or err}", file=file)) from err
    other = other_file(data, file)
    if other is not None:
        raise SpecError(other)
    if len(data) > MAXIMUM_BYTES:
        raise SpecError(Problem("Y006", f"is larger than {MAXIMUM_BYTES} bytes, the most a spec may have", file=file))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = data[: err.start].count(b"\n") + 1
        column = err.start - (data[: err.start].rfind(b"\n") + 1) + 1
        message = f"is not UTF-8: byte 0x{data[err.start]:02x}"
        raise SpecError(Problem("Y002", message, "save the file as UTF-8", file, line, column)) from err


def parse(text: str, file: str) -> Document:
    """Parse the text of one spec.

    Args:
        text: The YAML text.
        file: The name of the file, for the places of problems.

    Raises:
        SpecError: With every problem of this layer (Y001 to Y008).
    """
    node = _compose(text, file)
    reader = _Reader(file)
    root = reader.value(node, ())
    if reader.problems:
        raise SpecError(*reader.problems)
    return Document(file, text, root, reader.values, reader.keys)


def _place(file: str, mark: _Position | None) -> Mark:
    return Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1, 1)


def _compose(text: str, file: str) -> yaml.Node:
    """Return the node tree, after a pass over the events that refuses everything that the tree must not hold."""
    problems: list[Problem] = []
    try:
        _scan(text, file, problems)
        if problems:
            raise SpecError(*problems)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as err:
        mark = _place(file, err.problem_mark or err.context_mark)
        what = ", ".join(part for part in (err.context, err.problem) if part)
        hint = "a tab cannot indent YAML: use spaces" if "'\\t'" in what else None
        raise SpecError(*problems, Problem.at(mark, "Y001", f"not valid YAML: {what}", hint)) from err
    except yaml.reader.ReaderError as err:
        line = text.count("\n", 0, err.position) + 1
        column = err.position - (text.rfind("\n", 0, err.position) + 1) + 1
        message = f"not valid YAML: the character U+{_code_point(err.character):04X} is not allowed"
        raise SpecError(Problem("Y001", message, None, file, line, column)) from err
    except (ValueError, OverflowError) as err:  # PyYAML lets them through: "\\UFFFFFFFF", %YAML with 5,000 digits
        message = "not valid YAML: the number in an escape or in a directive is too large"
        raise SpecError(*problems, Problem("Y001", message, None, file)) from err
    if node is None:
        raise SpecError(Problem("Y007", "the file is empty", "a spec begins with 'version: 1'", file, 1, 1))
    return node


def _code_point(character: str | bytes | int) -> int:
    return character if isinstance(character, int) else ord(character)


def _scan(text: str, file: str, problems: list[Problem]) -> None:
    """Walk the events, which need no recursion, and report everything that is not in the language."""
    depth = documents = values = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark = _place(file, event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                problems.append(Problem.at(mark, "Y007", "a second document begins", "one file holds one spec"))
                return
        elif anchor := getattr(event, "anchor", None):
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            message = f"'{sign}{anchor}': anchors and aliases are not part of the language"
            problems.append(Problem.at(mark, "Y005", message, "write the value out"))
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None:
            message = f"the tag '{event.tag}': tags are not part of the language"
            problems.append(Problem.at(mark, "Y003", message, "write the value plainly; the schema gives its type"))
        values += isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent))
        if values > MAXIMUM_VALUES:
            message = f"holds more than {MAXIMUM_VALUES} keys and values, the most a spec may have"
            problems.append(Problem.at(mark, "Y006", message))
            return
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAXIMUM_DEPTH:
                message = f"nested deeper than {MAXIMUM_DEPTH} levels"
                problems.append(Problem.at(mark, "Y006", message))
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    """Turns nodes into values, and keeps places and problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[KeyPath, Mark] = {}
        self.keys: dict[KeyPath, Mark] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: KeyPath) -> Value:
        self.values[path] = _place(self.file, node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            self._check_characters(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Value]:
        result: dict[str, Value] = {}
        for key_node, value_node in node.value:
            mark = _place(self.file, key_node.start_mark)
            key = _key(key_node)
            if key is not None:
                self._check_characters(key_node)
            if key is None:
                self.problems.append(Problem.at(mark, "Y008", "a key must be text", "put the key in quotes"))
            elif key in result:
                first = self.keys[*path, key]
                message = f"the key '{key}' occurs twice; first in line {first.line}"
                self.problems.append(Problem.at(mark, "Y004", message, "one of the two would be lost: rename it"))
            else:
                self.keys[*path, key] = mark
                result[key] = self.value(value_node, (*path, key))
        return result

    def _check_characters(self, node: yaml.Node) -> None:
        """Refuse characters that escapes can write but that no file name, model or terminal can hold."""
        for character in node.value:
            if character == "\0" or "\ud800" <= character <= "\udfff":
                what, hint = ("NUL", None) if character == "\0" else ("half a surrogate pair", _WHOLE)
                message = f"the text holds U+{ord(character):04X}, {what}, which is not part of the language"
                self.problems.append(Problem.at(_place(self.file, node.start_mark), "Y001", message, hint))
                return


def _key(node: yaml.Node) -> str | None:
    if not isinstance(node, yaml.ScalarNode):
        return None
    value = _scalar(node)
    return value if isinstance(value, str) else None


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    text: str = node.value
    if node.style is not None:  # quoted, or a block: text whatever it looks like
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
    return text
