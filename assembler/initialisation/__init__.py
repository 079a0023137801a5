"""Writes the spec of loaded flair checkpoints, and of exported ONNX files."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Mark, Problem
from assembler.core.regular_files import open_regular
from assembler.forms.source import Setting, Source
from assembler.initialisation.checkpoint_specs import tagger_spec
from assembler.initialisation.exported_files import exported_spec
from assembler.initialisation.further import USUAL, Further
from assembler.initialisation.heading import Given
from assembler.initialisation.language_model import language_model_spec
from assembler.initialisation.naming import joined_name, stack_name
from assembler.initialisation.text_specs import text_spec
from assembler.sources.location import RELATIVE
from assembler.spec.defaults import DEFAULT_OPSET
from assembler.spec.other_files import is_model
from assembler.spec.reading import parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.core.values import Value
    from assembler.initialisation.draft import Draft

__all__ = ["Further", "write_spec"]


def write_spec(
    locations: str | Sequence[str],
    folder: Path,
    *,
    trust: bool = False,
    text: bool = False,
    name: str | None = None,
    further: Further = USUAL,
) -> str:
    """Return a commented, minimal spec for one or several flair checkpoints, or for exported ONNX files.

    Args:
        locations: Local checkpoints, relative to the current folder, or names that flair knows (`name@revision`).
            Language models and tables that several of them share become one part.
        folder: The folder of the spec, to which the paths of the checkpoints are made relative.
        trust: Whether object pickles, which can run code, may be read.
        text: Whether the model takes text and outputs labels, instead of ids and indices.
        name: The name of the stack; by default that of its checkpoints.
        further: The outputs that the model has beside labels and scores.

    Raises:
        SourceError: A checkpoint is missing, not trusted, damaged or not supported (R001 to R008), or cannot be fed
            from text alone, or has no labels beside which there could be further outputs (R005); or a file is not an
            ONNX model (R006, R012).
        ModelError: An exported file has an input of a type that a spec cannot name (M005).
    """
    wanted = [locations] if isinstance(locations, str) else list(locations)
    exported = [location for location in wanted if _is_exported(location)]
    if exported:
        _require_usual(further, "is an ONNX file: name its further outputs in the spec", exported[0])
        if len(exported) < len(wanted) or text:
            other = "the text interface is that of taggers" if text else "the others are no ONNX files"
            message = f"is an ONNX file; {other}, and `init` writes no spec of both"
            raise SourceError(Problem("R006", message, "write the spec of each, and join them by hand", exported[0]))
        return _checked(exported_spec([Path(location) for location in exported], folder, name), folder)
    names = ["tagger"] if len(wanted) == 1 else [f"tagger{number}" for number in range(1, len(wanted) + 1)]
    with _unplaced_problems():
        given = [_open(name, location, folder, trust=trust) for name, location in zip(names, wanted, strict=True)]
        called = joined_name([each.location for each in given]) if name is None else stack_name(name)
        draft = text_spec(given, called, further) if text else _spec(given, called, further)
    return _checked(draft, folder)


def _checked(draft: Draft, folder: Path) -> str:
    """Return the text of a spec, which must pass our own schema."""
    text = draft.text()
    parse_spec(text, str(folder / "spec.yaml"))
    return text


@contextmanager
def _unplaced_problems() -> Iterator[None]:
    """Remove mentions of a spec from problems in the block, because there is no spec yet."""
    try:
        yield
    except SourceError as err:
        raise SourceError(*map(_unplaced, err.problems)) from err


def _unplaced(problem: Problem) -> Problem:
    hint = "paths are relative to the current folder" if problem.hint == RELATIVE else problem.hint
    return replace(problem, line=None, column=None, hint=hint)


def _require_usual(further: Further, message: str, location: str) -> None:
    if further != USUAL:
        raise SourceError(Problem("R005", message, "leave out --probabilities and --embeddings", location))


def _spec(given: Sequence[Given], name: str, further: Further) -> Draft:
    alone = next((each for each in given if each.opened.language_model is not None), None)
    if alone is None:
        return tagger_spec(given, name, further)
    if len(given) > 1:
        message = "the checkpoint is a language model alone, which has nothing to share with a tagger's head"
        raise SourceError(Problem("R005", message, "name checkpoints of taggers and classifiers", alone.location))
    _require_usual(further, "the checkpoint is a language model alone, which has no labels", alone.location)
    return language_model_spec(alone, name)


def _is_exported(location: str) -> bool:
    """Return whether a location is an ONNX file, which has no flair layers from which a spec could be made."""
    with suppress(OSError, ValueError), open_regular(location) as stream:
        return is_model(stream.read(1)) or Path(location).suffix == ".onnx"
    return False


def _open(called: str, location: str, folder: Path, *, trust: bool) -> Given:
    from assembler.flair_checkpoints.form import FORM, open_flair_source

    here = os.path.exists(location)  # noqa: PTH110 - of a name that no file can have, pathlib raises
    name, _, revision = (location, "", "") if here else location.partition("@")
    options: dict[str, Value] = {"revision": revision} if revision else {}
    source = Source(called, FORM.name, name, None, Mark(location, 1, 1), options)
    opened = open_flair_source(source, Setting(Path(), DEFAULT_OPSET, trust))
    return Given(opened, os.path.relpath(name, folder) if Path(name).is_file() else name)
