"""Opens files that a stranger may have named: only regular ones, with bounded size, and on request only in one folder.

A name is checked and opened in one step: the descriptor that was checked is the one that is read, so nothing can be
swapped in between. FIFOs and devices are never opened, because opening them can hang or have an effect.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The most bytes of a file of text: sentences, gold text, words.
MOST_TEXT = 1 << 25

#: As many links as Linux follows in one name, and more folders than any of our names has.
_MOST_LINKS, _MOST_FOLDERS = 40, 100
_READ = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
    _READ |= getattr(os, _name, 0)
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
#: Opens a folder only as the start of names, which needs no permission to list it.
_FOLDER: int = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_DESCENDS = {os.open, os.stat, os.readlink} <= os.supports_dir_fd


class OutsideError(OSError):
    """A name leads out of the folder that it must stay in."""

    def __init__(self, location: str) -> None:
        """Use the wording of other errors of files."""
        super().__init__(errno.EXDEV, "it leaves the folder", location)


def open_regular(path: Path | str, most: int | None = None) -> BinaryIO:
    """Open a file wherever it is.

    Args:
        path: The file; links are followed.
        most: The most bytes that it may have.

    Raises:
        OSError: It is missing, not a regular file, too large, or cannot have this name.
    """
    name = os.fspath(path)
    try:
        _require_regular(Path(name).stat(), name, most)
        return _stream(os.open(name, _READ), name, most)
    except ValueError as err:  # NUL, or a character that the system's encoding of names lacks
        raise OSError(errno.EINVAL, "no file can have this name", name) from err


def open_inside(folder: Path | str, location: str, most: int | None = None, *, links: bool = True) -> BinaryIO:
    """Open a file in a folder, or below it. Nothing outside is opened, whatever links there are.

    Args:
        folder: The folder; links on the way to it are followed.
        location: The file, relative to the folder. Links on the way are followed as long as they stay inside.
        most: The most bytes that it may have.
        links: Whether links are allowed at all.

    Raises:
        OutsideError: The name leads out of the folder, whether there is a file or not.
        OSError: As `open_regular`.
    """
    try:
        with ExitStack() as held:
            if not _DESCENDS:
                return open_regular(_resolved(folder, location), most)
            place, name = _descend(folder, location, held, links=_MOST_LINKS if links else 0)
            _require_regular(os.stat(name, dir_fd=place, follow_symlinks=False), location, most)
            return _stream(os.open(name, _READ | _NO_LINK, dir_fd=place), location, most)
    except ValueError as err:
        raise OSError(errno.EINVAL, "no file can have this name", location) from err


def is_utf8(name: str) -> bool:
    """Return whether ONNX Runtime and onnx, which take names as UTF-8, can open a file of this name."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def size_inside(folder: Path | str, location: str) -> int:
    """Return the size of a file in a folder, or below it, that is reached without a link. It is not opened.

    Raises:
        OSError: As `open_inside`, or a link is on the way.
    """
    try:
        with ExitStack() as held:
            if not _DESCENDS:
                found = os.lstat(Path(folder, location))
            else:
                place, name = _descend(folder, location, held, links=0)
                found = os.stat(name, dir_fd=place, follow_symlinks=False)
            _require_regular(found, location, None)
            return found.st_size
    except ValueError as err:
        raise OSError(errno.EINVAL, "no file can have this name", location) from err


def is_inside(folder: Path | str, location: str) -> bool:
    """Return whether a name stays in a folder, links resolved. The name of a missing file is judged by its text."""
    try:
        with ExitStack() as held:
            _ = _descend(folder, location, held) if _DESCENDS else _resolved(folder, location)
    except OutsideError:
        return False
    except (OSError, ValueError):  # nothing is there, or nothing that can be read
        return True
    return True


def read_bounded(stream: BinaryIO, most: int) -> bytes:
    """Return the content of a file, which may have grown since it was opened.

    Raises:
        OSError: It has more bytes than allowed.
    """
    data = stream.read(most + 1)
    if len(data) > most:
        raise _too_large(most, str(stream.name))
    return data


def read_regular_text(path: Path | str, encoding: str = "utf-8") -> str:
    """Return the text of a file wherever it is, like `Path.read_text`.

    Raises:
        OSError: As `open_regular`; at most 32 MiB are read.
        UnicodeDecodeError: It has another encoding.
    """
    with open_regular(path, MOST_TEXT) as stream:
        return decoded(read_bounded(stream, MOST_TEXT), encoding)


def decoded(data: bytes, encoding: str = "utf-8") -> str:
    """Return the text of bytes, with one way to end a line."""
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _require_regular(found: os.stat_result, name: str, most: int | None) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", name)
    if most is not None and found.st_size > most:
        raise _too_large(most, name)


def _too_large(most: int, name: str) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {most} bytes, the most that is read of it", name)


def _stream(descriptor: int, name: str, most: int | None) -> BinaryIO:
    try:
        _require_regular(os.fstat(descriptor), name, most)  # another file may have got the name since
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _descend(folder: Path | str, location: str, held: ExitStack, *, links: int = _MOST_LINKS) -> tuple[int, str]:
    """Walk to a file from folder to folder, each opened in the one before, and return its folder and its own name.

    What is left open is closed with `held`.
    """
    if location.startswith("/"):
        raise OutsideError(location)
    stack = [_kept(os.open(os.fspath(folder) or os.curdir, _FOLDER), held)]
    pending = _parts(location)
    while pending:
        part = pending.pop()
        if part == os.pardir:
            if len(stack) == 1:
                raise OutsideError(location)
            stack.pop()
            continue
        try:
            target = _link_target(stack[-1], part, links)
            if target is None:
                if not pending:
                    return stack[-1], part
                stack.append(_kept(os.open(part, _FOLDER | _NO_LINK, dir_fd=stack[-1]), held))
        except OSError:
            _require_depth(len(stack) - 1, part, pending, location)
            raise
        if target is not None:
            links -= 1
            stack = stack[:1] if target.startswith("/") else stack
            pending += _parts(_below(folder, target))
        if len(stack) > _MOST_FOLDERS:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), location)
    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), location)


def _link_target(place: int, name: str, links: int) -> str | None:
    """Return the target of a link, or `None` for anything else that exists.

    Raises:
        OSError: Nothing is there, or no more links may be followed.
    """
    if not stat.S_ISLNK(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
        return None
    if not links:
        raise OSError(errno.ELOOP, "there is a link on the way, or a circle of links", name)
    return os.readlink(name, dir_fd=place)


def _kept(descriptor: int, held: ExitStack) -> int:
    held.callback(os.close, descriptor)
    return descriptor


def _parts(location: str) -> list[str]:
    """Return the parts of a name, the first one last."""
    return [part for part in reversed(location.split("/")) if part not in {"", os.curdir}]


def _require_depth(depth: int, missing: str, pending: list[str], location: str) -> None:
    """Raise if a name would lead out of the folder once all missing files existed."""
    for part in (missing, *reversed(pending)):
        depth += -1 if part == os.pardir else 1
        if depth < 0:
            raise OutsideError(location)


def _below(folder: Path | str, target: str) -> str:
    """Return the target of a link; if it is absolute, relative to the folder."""
    if not target.startswith("/"):
        return target
    root = os.path.realpath(folder)
    if os.path.commonpath([root, target]) != root:
        raise OutsideError(target)
    return os.path.relpath(target, root)


def _resolved(folder: Path | str, location: str) -> str:
    """Check a name on systems where folders cannot be opened (Windows)."""
    root, path = os.path.realpath(folder), os.path.realpath(Path(folder, location))
    if Path(location).is_absolute() or not Path(path).is_relative_to(root):
        raise OutsideError(location)
    return path


def links_on_the_way(path: Path | str) -> Iterator[tuple[Path, str]]:
    """Yield the folder in which a caller's own path must stay, and the name in it, so that foreign links do not count.

    In a relative path that begins below the current folder, every link may be a stranger's; in any other, only the
    last.
    """
    given = Path(path)
    if not given.is_absolute() and os.pardir not in given.parts:
        yield Path(), str(given)
    if given.name not in {"", os.pardir}:
        yield given.parent, given.name


def leads_outside(path: Path | str) -> bool:
    """Return whether a link leads a caller's path out of the folder in which the caller named it."""
    with suppress(ValueError):
        return not all(is_inside(folder, name) for folder, name in links_on_the_way(path))
    return False
