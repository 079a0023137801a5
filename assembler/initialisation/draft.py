"""A spec that `init` writes: its values, with comments for the person who edits it, and the one way to its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from assembler.initialisation.naming import in_quotes, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the model.

    Attributes:
        name: Its name.
        dims: Its dims, names and numbers; `None` for a value that is no tensor.
        dtype: Its type.
        comment: The comment beside it.
    """

    name: str
    dims: tuple[str | int, ...] | None
    dtype: str = "int64"
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """What feeds a port.

    Attributes:
        text: A port of a part, or an input.
        question: The comment beside it: a question for the person who edits the spec.
    """

    text: str
    question: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part.

    Attributes:
        name: Its id.
        kind: Its kind.
        inputs: What feeds each port; or the list that feeds the only one.
        weights: Where its weights are, or nothing.
        parameters: Its parameters.
        about: The comment beside its id.
        above: The comment before it.
        option: The comment after it: a key that a person may want.
    """

    name: str
    kind: str
    inputs: Mapping[str, str | Feed] | tuple[str, ...]
    weights: str = ""
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    about: str = ""
    above: str = ""
    option: str = ""

    def feeds(self) -> list[Feed]:
        """Return what feeds its ports."""
        texts = self.inputs if isinstance(self.inputs, tuple) else self.inputs.values()
        return [each if isinstance(each, Feed) else Feed(each) for each in texts]


@dataclass(frozen=True, slots=True)
class Draft:
    """A spec.

    Attributes:
        name: The name of the stack.
        sources: The keys of each source.
        inputs: The inputs of the model.
        parts: The parts.
        outputs: What feeds each output.
        description: A sentence about the stack, or nothing.
        pinned: The comment on the sources.
        fed: The comment on the inputs.
        against: The source with which the model is compared, or nothing.
        proven: The comments on the proof.
        spread: Whether parts are apart by blank lines, and each of their inputs has a line of its own.
    """

    name: str
    sources: Mapping[str, Mapping[str, str]]
    inputs: Sequence[Input]
    parts: Sequence[Part]
    outputs: Mapping[str, str]
    description: str = ""
    pinned: str = ""
    fed: str = ""
    against: str = ""
    proven: tuple[str, ...] = ()
    spread: bool = False

    def text(self) -> str:
        """Return the spec as YAML."""
        described = [f"description: {_sentence(self.description)}"] if self.description else []
        sections = (
            ["version: 1", f"name: {quoted(self.name)}", *described],
            [*_comments(self.pinned), "sources:", *_entries(self.sources, _flow)],
            [*_comments(self.fed), "inputs:", *self._inputs()] if self.inputs else [],
            ["graph:", *self._parts()],
            ["outputs:", *_entries(self.outputs, quoted)],
            [*_comments(*self.proven), *([f"proof: {_flow({'against': self.against})}"] if self.against else [])],
        )
        return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"

    def _inputs(self) -> Iterator[str]:
        width = 0 if self.spread else max(len(quoted(entry.name)) for entry in self.inputs) + 1
        for entry in self.inputs:
            dims = ", ".join(map(_value, entry.dims or ()))
            shape = "" if entry.dims is None else f", shape: [{dims}]"
            yield f"  {f'{quoted(entry.name)}:':<{width}} {{type: {entry.dtype}{shape}}}{_beside(entry.comment)}"

    def _parts(self) -> Iterator[str]:
        for place, part in enumerate(self.parts):
            if self.spread and place:
                yield ""
            yield from _comments(part.above, indent="  ")
            yield f"  {quoted(part.name)}:{_beside(part.about, '   ')}"
            yield f"    kind: {part.kind}"
            if part.weights:
                yield f"    weights: {quoted(part.weights)}"
            yield from _entries(part.parameters, _value, indent="    ")
            yield from self._fed(part)
            yield from _comments(part.option, indent="    ")

    def _fed(self, part: Part) -> Iterator[str]:
        feeds = part.feeds()
        if isinstance(part.inputs, tuple):
            yield f"    inputs: [{', '.join(quoted(feed.text) for feed in feeds)}]"
        elif not self.spread:
            yield f"    inputs: {_flow({port: feed.text for port, feed in zip(part.inputs, feeds, strict=True)})}"
        elif feeds:
            yield "    inputs:"
            for port, feed in zip(part.inputs, feeds, strict=True):
                yield f"      {quoted(port)}: {quoted(feed.text)}{_beside(feed.question)}"


def _entries(entries: Mapping[str, Value], written: Callable[[Value], str], indent: str = "  ") -> list[str]:
    return [f"{indent}{quoted(name)}: {written(value)}" for name, value in entries.items()]


def _value(value: str | int) -> str:
    return str(value) if isinstance(value, int) else quoted(value)


def _flow(entries: Mapping[str, str]) -> str:
    return f"{{{', '.join(_entries(entries, quoted, indent=''))}}}"


def _sentence(text: str) -> str:
    """Return a sentence as YAML, without quotes if it is of words alone."""
    return text if re.fullmatch(r"[A-Z][A-Za-z ]*\.", text) else in_quotes(text)


def _comments(*texts: str, indent: str = "") -> list[str]:
    return [f"{indent}# {text}" for text in texts if text]


def _beside(comment: str, space: str = "  ") -> str:
    return f"{space}# {comment}" if comment else ""
