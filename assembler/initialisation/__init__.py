"""Writes the spec of a loaded flair checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.errors import SourceError
from assembler.initialisation.language_model import language_model_spec
from assembler.initialisation.tagger import tagger_spec
from assembler.initialisation.text import text_spec
from assembler.problems import Mark
from assembler.spec.model import Source
from assembler.spec.reading import parse_spec

if TYPE_CHECKING:
    from assembler.sources.flair_checkpoint import FlairSource

__all__ = ["write_spec"]


def write_spec(location: str, folder: Path, *, trust: bool = False, text: bool = False) -> str:
    """Return a commented, minimal spec for a flair checkpoint.

    Args:
        location: A local checkpoint, relative to the current folder, or a name that flair knows (`name@revision`).
        folder: The folder that the spec will lie in; the path of the checkpoint is made relative to it.
        trust: Whether object pickles, which can run code, may be read.
        text: Whether the model is to take text, and to give labels, instead of ids and indices.

    Raises:
        SourceError: The checkpoint is missing, not trusted, damaged or not supported (R001 to R008), or cannot be fed
            from text alone (R005).
    """
    from assembler.sources.opening import open_flair_source

    name, _, revision = location.partition("@") if not Path(location).exists() else (location, "", "")
    source = Source("tagger", "flair", name, revision or None, None, convert=False, mark=Mark(location, 1, 1))
    try:
        opened = open_flair_source(source, Path(), trust=trust)
        given = os.path.relpath(name, folder) if Path(name).is_file() else name
        written = text_spec(opened, given) if text else _spec(opened, given)
    except SourceError as err:  # there is no spec yet that could have lines
        problems = [replace(problem, line=None, column=None) for problem in err.problems]
        raise SourceError(*problems) from err
    parse_spec(written, str(folder / "spec.yaml"))  # a spec of ours must pass our own schema
    return written


def _spec(opened: FlairSource, given: str) -> str:
    return language_model_spec(opened, given) if opened.tagger is None else tagger_spec(opened, given)
