"""Writes the spec of a loaded flair checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from assembler.errors import SourceError
from assembler.initialisation.language_model import language_model_spec
from assembler.initialisation.tagger import tagger_spec
from assembler.problems import Mark
from assembler.spec.model import Source
from assembler.spec.reading import parse_spec

__all__ = ["write_spec"]


def write_spec(location: str, folder: Path, *, trust: bool = False) -> str:
    """Return a commented, minimal spec for a flair checkpoint.

    Args:
        location: A local checkpoint, relative to the current folder, or a name that flair knows (`name@revision`).
        folder: The folder that the spec will lie in; the path of the checkpoint is made relative to it.
        trust: Whether object pickles, which can run code, may be read.

    Raises:
        SourceError: The checkpoint is missing, not trusted, damaged or not supported (R001 to R008).
    """
    from assembler.sources.opening import open_flair_source

    name, _, revision = location.partition("@") if not Path(location).exists() else (location, "", "")
    source = Source("tagger", "flair", name, revision or None, None, convert=False, mark=Mark(location, 1, 1))
    try:
        opened = open_flair_source(source, Path(), trust=trust)
    except SourceError as err:  # there is no spec yet that could have lines
        problems = [replace(problem, line=None, column=None) for problem in err.problems]
        raise SourceError(*problems) from err
    given = os.path.relpath(name, folder) if Path(name).is_file() else name
    text = language_model_spec(opened, given) if opened.tagger is None else tagger_spec(opened, given)
    parse_spec(text, str(folder / "spec.yaml"))  # a spec of ours must pass our own schema
    return text
