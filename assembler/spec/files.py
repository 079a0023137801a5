"""The files that a spec names, and the only way to open them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from assembler.core.regular_files import MOST_TEXT, is_inside, open_inside, open_regular, read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.core.problems import Mark
    from assembler.parts.kind import Kind
    from assembler.spec.stack_spec import Spec


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a spec names.

    Attributes:
        location: Its path, as written in the spec.
        mark: Where the spec names it.
        code: The code of the problem if it cannot be read.
        what: What the file is, for the message of that problem.
    """

    location: str
    mark: Mark
    code: str
    what: str


def named_files(spec: Spec, kinds: Mapping[str, Kind]) -> Iterator[NamedFile]:
    """Yield every file that a spec names: its sources, the proof's, and those of parameters of the format `path`.

    A source may also be a name that its form knows. Such a name looks like a missing file.
    """
    for source in spec.sources.values():
        yield NamedFile(source.location, source.mark, "R001", f"the source '{source.name}'")
    if spec.proof.sentences is not None:
        yield NamedFile(spec.proof.sentences, spec.proof.sentences_mark, "W014", "the sentences of the proof")
    if spec.proof.gold is not None:
        yield NamedFile(spec.proof.gold, spec.proof.gold_mark, "W031", "the gold text of the proof")
    if spec.proof.trials.cases is not None:
        yield NamedFile(spec.proof.trials.cases, spec.proof.trials.cases_mark, "W026", "the cases of the proof")
    yield from parameter_files(spec, kinds)


def parameter_files(spec: Spec, kinds: Mapping[str, Kind]) -> Iterator[NamedFile]:
    """Yield the files that parameters of the format `path` name."""
    for node in spec.graph.values():
        for key, schema in kinds[node.kind].parameters.items():
            location = node.parameters.get(key)
            if isinstance(location, str) and isinstance(schema, dict) and schema.get("format") == "path":
                mark = spec.document.mark(("graph", node.name, key))
                yield NamedFile(location, mark, "W021", f"the file '{key}' of '{node.name}'")


class Confined(Protocol):
    """Where the files of a spec are: a spec, or the setting of its sources."""

    @property
    def folder(self) -> Path:
        """The folder that paths are relative to."""

    @property
    def confined(self) -> bool:
        """Whether no file outside the folder may be opened."""


def open_named(spec: Confined, location: str, most: int | None = None) -> BinaryIO:
    """Open a file that a spec names; for a stranger's spec, only within its folder.

    Raises:
        OSError: It is missing, not a regular file, too large, or outside.
    """
    if spec.confined:
        return open_inside(spec.folder, location, most)
    return open_regular(spec.folder / location, most)


def read_named(spec: Spec, location: str) -> bytes:
    """Return the content of a file of text.

    Raises:
        OSError: As `open_named`; at most 32 MiB are read.
    """
    with open_named(spec, location, MOST_TEXT) as stream:
        return read_bounded(stream, MOST_TEXT)


def shown(spec: Spec, location: str, text: str) -> str:
    """Return words of a file for a message, or nothing if the file is outside the folder, because it may be private."""
    return f": {text}" if is_inside(spec.folder, location) else ""
