"""Checks specs without their weights: what a pull request is checked with."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.errors import AssemblerError
from assembler.problems import Problem, in_order
from assembler.proof.gold_text import read_gold
from assembler.sources.flair_location import is_name
from assembler.sources.opening import open_headers
from assembler.spec.reading import load_spec
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.problems import Mark
    from assembler.spec.model import Spec


_SUFFIXES = (".yaml", ".yml")
#: What the names of Emacs's locks begin with: links that lead nowhere.
_LOCK = ".#"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Attributes:
        files: The specs that were checked.
        problems: What is wrong, by file and place. For each spec all problems of the first layer that has any.
        notes: What could not be checked, and why.
    """

    files: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check(paths: Path | str | Iterable[Path | str], *, strict: bool = False) -> Checked:
    """Check specs.

    Neither onnx nor torch or flair is imported, and no weights are read; of an exported subgraph that is at hand, the
    ports are.

    Args:
        paths: Spec files, and folders, whose `.yaml` and `.yml` files are checked, those of their subfolders too.
        strict: Also report paths that leave the spec's folder (W018): nobody else could build such a spec.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files: list[Path] = []
    problems: list[Problem] = []
    notes: list[str] = []
    for path in map(Path, given):
        found, unread = spec_files(path)
        files += found
        problems += unread
        if not found and not unread:
            problems.append(Problem("Y002", "holds no spec", "specs end in .yaml or .yml", str(path)))
    for file in files:
        try:
            spec = load_spec(file)
            headers, left = open_headers(spec)
            notes += [*left, *_absent_sources(spec)]
            wire(spec, headers)
            read_gold(spec)
        except AssemblerError as err:
            problems += err.problems
            continue
        problems += _absent_sentences(spec)
        if strict:
            problems += outside_problems(spec)
    return Checked(tuple(str(file) for file in files), in_order(problems), tuple(notes))


def spec_files(path: Path) -> tuple[list[Path], list[Problem]]:
    """Return the spec files that a path means, sorted, and a problem (Y002) for each that cannot be looked at.

    Files may come and go, and folders may be closed to us, while they are walked through.
    """
    if not path.is_dir():
        return [path], []
    problems: list[Problem] = []

    def report(err: OSError, place: str | None = None) -> None:
        problems.append(Problem("Y002", f"cannot be read: {err.strerror or err}", None, place or str(err.filename)))

    found = []
    for folder, _, names in os.walk(path, onerror=report):
        for file in (Path(folder, name) for name in names if name.endswith(_SUFFIXES)):
            try:
                regular = stat.S_ISREG(file.stat().st_mode)
            except OSError as err:
                if not file.name.startswith(_LOCK):
                    report(err, str(file))
                continue
            found += [file] if regular else []
    return sorted(found), problems


def _absent_sources(spec: Spec) -> list[str]:
    """Return a note for each checkpoint that the spec names by a path, where there is none."""
    notes = []
    for source in spec.sources.values():
        path = os.path.join(spec.folder, source.location)  # noqa: PTH118 - as the spec writes it
        if source.form == "flair" and not is_name(source) and not os.path.exists(path):  # noqa: PTH110 - never raises
            notes.append(f"{spec.document.file}: the source '{source.name}' is not looked at: {path} is not here")
    return notes


def _absent_sentences(spec: Spec) -> list[Problem]:
    """Return a problem (W014) if the sentences of the proof belong in the spec's folder, and are not there."""
    location = spec.proof.sentences
    if location is None or not _inside(spec, location) or os.path.isfile(spec.folder / location):  # noqa: PTH113
        return []
    message = f"proof: the sentences {spec.folder / location} are not there"
    hint = "paths are relative to the spec; a file holds one sentence a line, tokens separated by spaces"
    return [Problem.at(spec.proof.sentences_mark, "W014", message, hint)]


def _inside(spec: Spec, location: str) -> bool:
    """Return whether a path stays in the spec's folder."""
    folder = Path(os.path.realpath(spec.folder))  # `resolve` raises, in some versions of Python, on links in a circle
    return not Path(location).is_absolute() and Path(os.path.realpath(spec.folder / location)).is_relative_to(folder)


def outside_problems(spec: Spec) -> list[Problem]:
    """Return a problem (W018) for each path that leaves the spec's folder."""
    places: list[tuple[Mark, str]] = [(source.mark, source.location) for source in spec.sources.values()]
    if spec.proof.sentences is not None:
        places.append((spec.proof.sentences_mark, spec.proof.sentences))
    if spec.proof.gold is not None:
        places.append((spec.proof.gold_mark, spec.proof.gold))
    places += [
        (spec.document.mark(("graph", node.name, "keep")), str(node.parameters["keep"]))
        for node in spec.graph.values()
        if node.kind == "embedding" and "keep" in node.parameters
    ]
    problems = []
    for mark, location in places:
        if not _inside(spec, location):
            message = f"the path '{location}' leaves the folder of the spec"
            problems.append(Problem.at(mark, "W018", message, "put the file beside the spec, or below its folder"))
    return problems
