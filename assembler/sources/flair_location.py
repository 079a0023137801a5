"""Finds the file behind a flair source: a local path, or a name that flair downloads."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.errors import SourceError
from assembler.problems import Problem, suggest

if TYPE_CHECKING:
    from assembler.spec.model import Source

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
        raise SourceError(Problem.at(source.mark, "R001", message, "paths are relative to the spec")) from err


def _found(source: Source, path: Path) -> Path | None:
    if path.is_file():
        return path
    looks_like_path = Path(source.location).suffix in _SUFFIXES or source.location.startswith((".", "/", "~"))
    is_link = path.is_symlink()
    if source.form == "flair" and not looks_like_path and not path.is_dir() and not is_link:
        return None
    what = "a link that leads to no file" if is_link and not path.exists() else "not there"
    what = "a folder" if path.is_dir() else what
    message = f"source '{source.name}': {path} is {what}"
    siblings = sorted(entry.name for entry in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
    hint = "paths are relative to the spec"
    if siblings:
        hint = suggest(path.name, siblings, what=f"files in {path.parent}")
    raise SourceError(Problem.at(source.mark, "R001", message, hint))


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
        hint = "without a connection, put the checkpoint beside the spec and name its path instead of the hub's name"
        raise SourceError(Problem.at(source.mark, "R004", message, hint)) from err
