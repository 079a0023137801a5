"""Finds the file behind a flair source: a local path, or a name that flair downloads."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem, suggest
from assembler.core.regular_files import is_inside

if TYPE_CHECKING:
    from assembler.spec.model import Source, Spec

#: What is said of a path where nothing better is known.
RELATIVE = "paths are relative to the spec"
#: So many names of files fit a hint.
_FEW = 5
_SUFFIXES = {".pt", ".bin", ".pth", ".model"}


def local_file(source: Source, folder: Path) -> Path | None:
    """Return the local file that a source names, or `None` if its location is a name for flair.

    Raises:
        SourceError: The location is a path, and there is no such file (R001).
    """
    path = folder / source.location
    try:
        return _found(source, path)
    except (OSError, RuntimeError, ValueError) as err:  # the name is too long, or a link leads to itself
        reason = err.strerror if isinstance(err, OSError) and err.strerror else "no file can have this name"
        message = f"source '{source.name}': {path} cannot be looked up: {reason}"
        raise SourceError(Problem.at(source.mark, "R001", message, RELATIVE)) from err


def _found(source: Source, path: Path) -> Path | None:
    if path.is_file():
        return path
    if path.is_dir():
        message = f"source '{source.name}': {path} is a folder"
        raise SourceError(Problem.at(source.mark, "R001", message, _inside(path, source)))
    if path.exists():
        message = f"source '{source.name}': {path} is no regular file"
        raise SourceError(Problem.at(source.mark, "R001", message, RELATIVE))
    is_link = path.is_symlink()
    if source.form == "flair" and not is_link and is_name(source):
        return None
    what = "a link that leads to no file" if is_link else "not there"
    message = f"source '{source.name}': {path} is {what}"
    siblings = _files(path.parent, {path.suffix} if path.suffix else _suffixes(source)) if path.parent.is_dir() else []
    hint = suggest(path.name, siblings, what=f"files in {path.parent}") if siblings else RELATIVE
    raise SourceError(Problem.at(source.mark, "R001", message, hint))


def is_name(source: Source) -> bool:
    """Return whether a location may be a name: flair's own have no dot, those of the hub one slash.

    A revision says that a name is meant, which then may have a dot; a path stays a path.
    """
    if Path(source.location).suffix in _SUFFIXES:
        return False
    single = r"[\w-]+" if source.revision is None else r"[\w-][\w.-]*"
    return re.fullmatch(rf"{single}|[\w-][\w.-]*/[\w-][\w.-]*", source.location) is not None


def unpinned(spec: Spec) -> list[Problem]:
    """Return a problem (W024) for each model that is fetched by a name which nothing pins.

    What a hub answers to a name can be changed by whoever owns the name. flair's own names have no slash and no
    revisions (sequence_tagger_model.py 670-760), so that the digest alone pins them.
    """
    problems = []
    for source in spec.sources.values():
        if source.form != "flair" or not is_name(source) or not is_inside(spec.folder, source.location):
            continue  # of what is outside, not even its being there is told
        if os.path.lexists(os.path.join(spec.folder, source.location)):  # noqa: PTH118 - what is there is no name
            continue
        lacking = ["revision"] if source.revision is None and "/" in source.location else []
        lacking += ["sha256"] if source.sha256 is None else []
        if lacking:
            message = f"the model '{source.location}' is fetched by its name, and the spec gives no {_both(lacking)}"
            hint = "what a name leads to can change: the first build prints the digest to pin"
            problems.append(Problem.at(source.mark, "W024", message, hint))
    return problems


def _both(words: list[str]) -> str:
    return " and no ".join(words)


def _inside(folder: Path, source: Source) -> str:
    """Return a hint at the files in a folder."""
    names = _files(folder, _suffixes(source))
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"name a file in it: {', '.join(names[:_FEW])}{more}" if names else "name a file"


def _suffixes(source: Source) -> set[str]:
    return {".onnx"} if source.form == "onnx" else _SUFFIXES


def _files(folder: Path, suffixes: set[str]) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix in suffixes)


def _root_reason(err: BaseException) -> str:
    """Return the first line of the error behind all others: flair's own hides why the hub could not be reached."""
    while (behind := err.__cause__ or err.__context__) is not None:
        err = behind
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__


def fetch(source: Source) -> Path:
    """Let flair download the model that it knows by this name, and return the file in its cache.

    Raises:
        SourceError: The hub cannot be reached, or has no such model (R004).
    """
    from flair.models import SequenceTagger
    from huggingface_hub.utils import logging as hub_logging

    hub_logging.set_verbosity(logging.CRITICAL)  # it would print each of its retries, which take half a minute
    name = f"{source.location}@{source.revision}" if source.revision else source.location
    try:
        return Path(SequenceTagger._fetch_model(name))  # noqa: SLF001 - flair has no public way to get the file alone
    except (OSError, ValueError, RuntimeError) as err:
        reason = _root_reason(err)
        message = f"source '{source.name}': flair cannot fetch '{name}': {reason}"
        hint = "without a connection, fetch the checkpoint elsewhere and name its path instead of the hub's name"
        raise SourceError(Problem.at(source.mark, "R004", message, hint)) from err
