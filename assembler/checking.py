"""Checks specs without their weights: what a pull request is checked with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.errors import AssemblerError
from assembler.problems import Problem, in_order
from assembler.proof.gold_text import read_gold
from assembler.sources.opening import open_headers
from assembler.spec.reading import load_spec
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.problems import Mark
    from assembler.spec.model import Spec


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
    files = [file for path in given for file in spec_files(Path(path))]
    problems: list[Problem] = []
    notes: list[str] = []
    problems += [
        Problem("Y002", "holds no spec", "specs end in .yaml or .yml", str(path))
        for path in given
        if Path(path).is_dir() and not spec_files(Path(path))
    ]
    for file in files:
        try:
            spec = load_spec(file)
            headers, unread = open_headers(spec)
            notes += unread
            wire(spec, headers)
            read_gold(spec)
        except AssemblerError as err:
            problems += err.problems
            continue
        if strict:
            problems += outside_problems(spec)
    return Checked(tuple(str(file) for file in files), in_order(problems), tuple(notes))


def spec_files(path: Path) -> list[Path]:
    """Return the spec files that a path means, sorted."""
    if not path.is_dir():
        return [path]
    return sorted(file for suffix in ("*.yaml", "*.yml") for file in path.rglob(suffix) if file.is_file())


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
    folder = Path(os.path.realpath(spec.folder))  # `resolve` raises, in some versions of Python, on links in a circle
    for mark, location in places:
        inside = Path(os.path.realpath(spec.folder / location)).is_relative_to(folder)
        if Path(location).is_absolute() or not inside:
            message = f"the path '{location}' leaves the folder of the spec"
            problems.append(Problem.at(mark, "W018", message, "put the file beside the spec, or below its folder"))
    return problems
