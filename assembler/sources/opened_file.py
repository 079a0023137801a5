"""Private copies of source files, so that the hashed bytes are the ones that are read.

A file can be replaced between two openings, and rewritten while it is open: then a descriptor reads other bytes than
were hashed. So a source is read once, into a copy without a name that others could open, and hashed at the same time.
Afterwards only the copy is read. Small copies stay in memory, large ones are on the disk (in `TMPDIR`).
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.core.regular_files import open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.forms.source import Source

#: The most bytes that a source may have: the largest encoders have some fourteen gigabytes.
MOST_BYTES = 1 << 36
#: The most bytes that are kept in memory.
SMALL = 1 << 24
_CHUNK = 1 << 20


class ChangedError(OSError):
    """A file has become longer or shorter while it was read."""


class NoRoomError(OSError):
    """A copy cannot be written."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedFile:
    """A source's file, copied.

    Attributes:
        name: The name of the file, for problems.
        digest: The SHA-256 of the copy.
    """

    name: str
    digest: str
    _copy: BinaryIO

    def stream(self) -> BinaryIO:
        """Return the copy, at its beginning. It is a single stream, which the next call rewinds."""
        self._copy.seek(0)
        return self._copy

    def close(self) -> None:
        """Release the copy."""
        self._copy.close()


def open_source(source: Source, path: Path) -> OpenedFile:
    """Copy the file of a source, and compare its digest before anything in it is read.

    Raises:
        SourceError: It cannot be read (R001), the spec pins another digest (R002), or it changed while it was read or
            there is no space for a copy (R013).
    """
    copy: BinaryIO = io.BytesIO()
    try:
        with open_regular(path, MOST_BYTES) as stream:
            if os.fstat(stream.fileno()).st_size > SMALL:
                copy = _file()
            digest = copied(stream, copy)
        require_digest(source, digest)
    except OSError as err:
        copy.close()
        raise unreadable(source, path, err) from err
    except SourceError:
        copy.close()
        raise
    return OpenedFile(path.name, digest, copy)


def _file() -> BinaryIO:
    """Return a file without a name.

    Raises:
        NoRoomError: None can be created.
    """
    try:
        # closed by its reader, or with the last reference to it
        return tempfile.TemporaryFile(prefix="assemble-")
    except OSError as err:
        raise NoRoomError(err.errno, err.strerror) from err


def copied(stream: BinaryIO, copy: BinaryIO) -> str:
    """Copy the rest of a file and return its SHA-256 in lower-case hex.

    Raises:
        ChangedError: Its size differs from the size when it was opened.
        NoRoomError: The copy cannot be written.
        OSError: It cannot be read.
    """
    size, digest, done = os.fstat(stream.fileno()).st_size, hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        done += len(chunk)
        if done > size:
            break
        digest.update(chunk)
        try:
            copy.write(chunk)
        except OSError as err:
            raise NoRoomError(err.errno, err.strerror) from err
    if done != size:
        message = "it changed while it was read"
        raise ChangedError(message)
    try:
        copy.flush()
    except OSError as err:
        raise NoRoomError(err.errno, err.strerror) from err
    return digest.hexdigest()


def require_digest(source: Source, digest: str) -> None:
    """Compare a digest with the one that the spec pins.

    Raises:
        SourceError: They differ (R002).
    """
    if source.sha256 is not None and source.sha256 != digest:
        message = f"source '{source.name}': the file has the digest {digest}, the spec pins {source.sha256}"
        hint = "the file is not the one the spec was written for; if it is meant, pin its digest"
        raise SourceError(Problem.at(source.mark, "R002", message, hint))


def unreadable(source: Source, path: Path, err: OSError) -> SourceError:
    """Return the error of a file that cannot be copied (R001, R013)."""
    if isinstance(err, NoRoomError):
        return no_room(source, err)
    if isinstance(err, ChangedError):
        message, hint = f"source '{source.name}': {path} changed while it was read", "try again when it is whole"
        return SourceError(Problem.at(source.mark, "R013", message, hint))
    message = f"source '{source.name}': {path} cannot be read: {err.strerror or err}"
    return SourceError(Problem.at(source.mark, "R001", message))


def no_room(source: Source, err: OSError) -> SourceError:
    """Return the error of a copy that cannot be written (R013)."""
    message = f"source '{source.name}': it cannot be copied to {tempfile.gettempdir()}: {err.strerror or err}"
    return SourceError(Problem.at(source.mark, "R013", message, "let TMPDIR name a folder with room for the sources"))
