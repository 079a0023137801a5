"""Finds the file that a source names, or reports that its location is a name that its form fetches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem, suggest
from assembler.core.regular_files import is_inside
from assembler.forms.registry import form_of, reading

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from assembler.forms.source import Source
    from assembler.spec.stack_spec import Spec

#: The hint for a path if there is no better one.
RELATIVE = "paths are relative to the spec"
#: The number of file names in a hint.
_FEW = 5


def local_file(source: Source, folder: Path) -> Path | None:
    """Return the local file that a source names, or `None` if its location is a name that its form knows.

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
    form = form_of(source)
    if path.is_file():
        return path
    if path.is_dir():
        message = f"source '{source.name}': {path} is a folder"
        raise SourceError(Problem.at(source.mark, "R001", message, _inside(path, form.suffixes)))
    if path.exists():
        message = f"source '{source.name}': {path} is no regular file"
        raise SourceError(Problem.at(source.mark, "R001", message, RELATIVE))
    is_link = path.is_symlink()
    if not is_link and may_be_name(source):
        return None
    what = "a link that leads to no file" if is_link else "not there"
    message = f"source '{source.name}': {path} is {what}"
    siblings = _files(path.parent, {path.suffix} if path.suffix else form.suffixes) if path.parent.is_dir() else []
    hint = suggest(path.name, siblings, what=f"files in {path.parent}") if siblings else RELATIVE
    raise SourceError(Problem.at(source.mark, "R001", message, hint))


def may_be_name(source: Source) -> bool:
    """Return whether a location without a file may be a name that its form fetches."""
    with reading(source):
        return form_of(source).is_name(source)


def _inside(folder: Path, suffixes: Collection[str]) -> str:
    """Return a hint at the files in a folder."""
    names = _files(folder, suffixes)
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"name a file in it: {', '.join(names[:_FEW])}{more}" if names else "name a file"


def _files(folder: Path, suffixes: Collection[str]) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix in suffixes)


def unpinned(spec: Spec) -> list[Problem]:
    """Return a problem (W024) for each source that is fetched by an unpinned name.

    The owner of a name on a hub can change the model at any time.
    """
    problems = []
    for source in spec.sources.values():
        if not may_be_name(source) or not is_inside(spec.folder, source.location):
            continue  # for paths outside, not even their existence is reported
        if os.path.lexists(os.path.join(spec.folder, source.location)):  # noqa: PTH118 - what is there is no name
            continue
        with reading(source):
            lacking = form_of(source).lacking(source)
        if lacking:
            message = f"the model '{source.location}' is fetched by its name, and the spec gives no "
            hint = "what a name leads to can change: the first build prints the digest to pin"
            problems.append(Problem.at(source.mark, "W024", f"{message}{' and no '.join(lacking)}", hint))
    return problems
