"""Checks specs without their weights, for example in a pull request."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import AssemblerError
from assembler.core.problems import Problem, in_order
from assembler.core.regular_files import is_inside, leads_outside
from assembler.forms.registry import form_of
from assembler.parts.registry import kinds
from assembler.proof.gold_text import read_gold
from assembler.sources.location import may_be_name, unpinned
from assembler.sources.opening import at_common_opset, open_headers
from assembler.spec.files import named_files
from assembler.spec.outside import is_closed, outside_problems
from assembler.spec.reading import load_spec
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.spec.stack_spec import Spec


_SUFFIXES = (".yaml", ".yml")
#: The prefix of Emacs's lock files, which are links that lead nowhere.
_LOCK = ".#"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Attributes:
        files: The specs that were checked.
        problems: What is wrong, by file and place. A spec has all problems of the first layer that has any.
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

    Neither onnx nor torch or flair is imported. Of exported subgraphs that exist the ports are read, but no weights.

    Args:
        paths: Spec files, and folders, whose `.yaml` and `.yml` files are checked, those of their subfolders too.
        strict: For specs of strangers: nothing outside the folder of a spec is opened. Paths that lead there, the
            spec's own included, are reported (W018), because nobody else could build such a spec. So are unpinned names
            of a hub (W024), because they can name another model tomorrow, or a stranger's.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files: list[Path] = []
    problems: list[Problem] = []
    notes: list[str] = []
    for path in map(Path, given):
        found, unread = spec_files(path, strict=strict)
        files += found
        problems += unread
        if not found and not unread:
            problems.append(Problem("Y002", "holds no spec", "specs end in .yaml or .yml", str(path)))
    for file in files:
        try:
            spec = load_spec(file, confined=strict)
        except AssemblerError as err:
            problems += err.problems
            continue
        problems += outside_problems(spec)  # before any file that the spec names is opened
        try:
            problems += unpinned(spec) if strict else []
            headers, left = open_headers(spec)
            notes += [*left, *_absent_sources(spec)]
            wire(at_common_opset(spec, headers), headers)
            if spec.proof.gold is None or not is_closed(spec, spec.proof.gold):
                read_gold(spec)
        except AssemblerError as err:
            problems += err.problems
            continue
        problems += [*_absent_sentences(spec), *_irregular_files(spec)]
    return Checked(tuple(str(file) for file in files), in_order(problems), tuple(notes))


def spec_files(path: Path, *, strict: bool = False) -> tuple[list[Path], list[Problem]]:
    """Return the spec files that a path means, sorted, and a problem (Y002) for each that cannot be read.

    Files may appear and disappear during the walk, and folders may be unreadable. Links to folders are not followed,
    and in strict checks links to files are judged when they are read.
    """
    if strict and leads_outside(path):
        message = "is reached by a link that leads elsewhere"
        return [], [Problem("W018", message, "name what it links to", str(path))]
    if not os.path.isdir(path):  # noqa: PTH112 - never raises
        return [path], []
    problems: list[Problem] = []

    def report(err: OSError, place: str | None = None) -> None:
        problems.append(Problem("Y002", f"cannot be read: {err.strerror or err}", None, place or str(err.filename)))

    found = []
    for folder, _, names in os.walk(path, onerror=report):
        for file in (Path(folder, name) for name in names if name.endswith(_SUFFIXES)):
            try:
                mode = (file.lstat() if strict else file.stat()).st_mode
            except OSError as err:
                if not file.name.startswith(_LOCK):
                    report(err, str(file))
                continue
            if stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and not file.name.startswith(_LOCK)):
                found.append(file)
    return sorted(found), problems


def _absent_sources(spec: Spec) -> list[str]:
    """Return a note for each missing source that is named by a path and whose existence alone is checked."""
    notes = []
    for source in spec.sources.values():
        path = os.path.join(spec.folder, source.location)  # noqa: PTH118 - as the spec writes it
        if form_of(source).peek is not None or may_be_name(source) or is_closed(spec, source.location):
            continue
        if not os.path.exists(path):  # noqa: PTH110 - never raises
            notes.append(f"{spec.document.file}: the source '{source.name}' is not checked: {path} is not here")
    return notes


def _absent_sentences(spec: Spec) -> list[Problem]:
    """Return a problem (W014) if the sentences of the proof belong in the spec's folder, and are not there."""
    location = spec.proof.sentences
    if location is None or not is_inside(spec.folder, location) or os.path.exists(spec.folder / location):  # noqa: PTH110
        return []
    message = f"proof: the sentences {spec.folder / location} are not there"
    hint = "paths are relative to the spec; a file holds one sentence a line, tokens separated by spaces"
    return [Problem.at(spec.proof.sentences_mark, "W014", message, hint)]


def _irregular_files(spec: Spec) -> list[Problem]:
    """Return a problem for each file that exists but can never be read: a folder, a FIFO, a device."""
    problems = []
    for file in named_files(spec, kinds()):
        path = spec.folder / file.location
        if is_closed(spec, file.location) or file.code == "W031":  # the gold text has been read
            continue
        with suppress(OSError):
            if not stat.S_ISREG(path.stat().st_mode):
                problems.append(Problem.at(file.mark, file.code, f"{file.what}, {path}, is no regular file"))
    return problems
