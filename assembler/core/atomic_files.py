"""Writes files so that a reader sees the old one or the new one, whole, whenever the writer is stopped."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.core.regular_files import open_inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType
    from typing import BinaryIO

_fcntl: ModuleType | None
try:
    import fcntl as _fcntl_module

    _fcntl = _fcntl_module
except ImportError:  # Windows itself prevents the removal of an open file
    _fcntl = None

_SUFFIX = ".partial"
#: The bytes in memory while the content of a file is moved.
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Stage:
    """A file on its way to its name.

    Attributes:
        path: Where it is written for now, in the folder of its name.
        stream: Open for reading and writing.
    """

    path: Path
    stream: BinaryIO

    def flush(self) -> None:
        """Flush the written bytes to the disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())

    def rewrite(self, content: bytes) -> None:
        """Write the file anew."""
        self.stream.seek(0)
        self.stream.truncate()
        self.stream.write(content)

    def begin_anew(self, length: int, beginning: bytes) -> None:
        """Replace the first bytes. The rest of the file stays where it is, or moves if there are more or fewer of them.

        Args:
            length: How many bytes are replaced.
            beginning: The new bytes.
        """
        end = self.stream.seek(0, os.SEEK_END)
        further = len(beginning) - length
        if further:
            self._move(length, end, further)
        self.stream.seek(0)
        self.stream.write(beginning)
        self.stream.truncate(end + further)

    def _move(self, start: int, end: int, further: int) -> None:
        """Move the bytes from `start` to `end`, a piece at a time, so that none is overwritten before it is read."""
        places = range(start, end, _PIECE)
        for place in reversed(places) if further > 0 else places:
            self.stream.seek(place)
            piece = self.stream.read(min(_PIECE, end - place))
            self.stream.seek(place + further)
            self.stream.write(piece)


@contextmanager
def staged(target: Path) -> Iterator[Stage]:
    """Yield a file that gets its name at the end of the block, or disappears if the block raises.

    `os.replace` sets the name, which is atomic. A process that is killed leaves a `.partial` file, never a partial
    target; the next writer of the same target removes it.

    Raises:
        OSError: The folder is missing or cannot be written to.
    """
    _sweep(target)
    stage = _opened(target)
    path, stream = stage.path, stage.stream
    with stream:
        try:
            yield stage
            stage.flush()
            if _fcntl is None:
                stream.close()  # Windows cannot rename an open file
            path.replace(target)
            _flush_folder(target.parent)
        except BaseException:
            with suppress(OSError):  # on a full disk, writing its buffer fails again
                stream.close()
            path.unlink(missing_ok=True)
            raise


def _opened(target: Path) -> Stage:
    """Return a new file beside the target that is ours: a writer that sweeps may take it before its lock does.

    Raises:
        OSError: The folder is missing or cannot be written to, or the target has no name: it is a folder.
    """
    if not target.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
        stream = path.open("x+b")
        try:
            mine = _lock(stream) and path.exists()
        except OSError:  # a file system without locks, on which nothing is swept
            mine = True
        if mine:
            return Stage(path, stream)
        stream.close()
        path.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        ModelError: It cannot be written (M009).
    """
    try:
        with staged(target) as stage:
            stage.stream.write(text.encode())
    except OSError as err:
        problem = Problem(
            "M009", f"cannot be written: {err.strerror or err}", "choose another file with -o", str(target)
        )
        raise ModelError(problem) from err


def _lock(stream: BinaryIO) -> bool:
    """Lock the file for this process, if no other has it; the system releases it when the process ends.

    Raises:
        OSError: The file system has no locks.
    """
    if _fcntl is None:
        return True
    try:
        _fcntl.flock(stream.fileno(), _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(target: Path) -> None:
    """Remove the files that killed writers of the same target left."""
    for leftover in sorted(target.parent.glob(f".{_escaped(target.name)}.*{_SUFFIX}")):
        with suppress(OSError), open_inside(target.parent, leftover.name, links=False) as stream:
            if _lock(stream):
                leftover.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _flush_folder(folder: Path) -> None:
    """Flush the new name to the disk, if the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
