"""Digests of source files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from assembler.errors import SourceError
from assembler.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assembler.spec.model import Source


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked_digest(source: Source, path: Path, beside: Sequence[Path] = ()) -> str:
    """Return the digest of a source's file, before anything in the file is read.

    Args:
        source: The source, which may pin a digest.
        path: Its file.
        beside: Files of external data. With any, the digest is that of all the files' digests, one a line.

    Raises:
        SourceError: The file cannot be read (R001), or the spec pins another digest (R002).
    """
    try:
        digest = file_digest(path)
        if beside:
            lines = "".join(f"{each}\n" for each in (digest, *map(file_digest, beside)))
            digest = hashlib.sha256(lines.encode()).hexdigest()
    except OSError as err:
        message = f"source '{source.name}': {err.filename or path} cannot be read: {err.strerror or err}"
        raise SourceError(Problem.at(source.mark, "R001", message)) from err
    if source.sha256 is not None and source.sha256 != digest:
        message = f"source '{source.name}': the file has the digest {digest}, the spec pins {source.sha256}"
        hint = "the file is not the one the spec was written for; if it is meant, pin its digest"
        raise SourceError(Problem.at(source.mark, "R002", message, hint))
    return digest
