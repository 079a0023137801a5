"""The standard streams, which a caller may have closed, or whose reader may have left."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from io import TextIOBase
from typing import TYPE_CHECKING, BinaryIO, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_STANDARD = (0, 1, 2)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make the standard streams safe to use within the block.

    A closed one is opened on the null device. Otherwise the next opened file, a model for instance, gets its number,
    and the output of libraries goes into it. Messages on stderr are dropped if nobody reads them, and the work
    continues. A closed stdout stays `None`, and so does a closed stdin; commands that need them report it.
    """
    _open_closed()
    given = sys.stderr
    with _nothing() if given is None else _as_it_is(given) as stream:
        sys.stderr = _Forgiving(stream)
        try:
            yield
        finally:
            sys.stderr = given


def _open_closed() -> None:
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number, which is this one
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)


@contextmanager
def _nothing() -> Iterator[TextIO]:
    with open(os.devnull, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a device
        yield stream


@contextmanager
def _as_it_is(stream: TextIO) -> Iterator[TextIO]:
    yield stream


class _Forgiving(TextIOBase):
    """A stream of text whose reader may leave, or whose disk may be full."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # a property there as well
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override] # likewise
        return self._stream.errors

    @property
    def buffer(self) -> BinaryIO:
        return self._stream.buffer

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError:
            _to_nothing(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _to_nothing(self._stream)


def _to_nothing(stream: TextIO) -> None:
    """Redirect a stream to the null device.

    Otherwise flushing its buffer fails again, and Python exits with code 120.
    """
    with suppress(OSError, ValueError):  # a stream without its own number
        number = stream.fileno()
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, number)
        os.close(nothing)


def drop_stdout() -> None:
    """Discard all further output on stdout."""
    if sys.stdout is not None:
        _to_nothing(sys.stdout)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Continue after the block if the reader of stdout has left, so that the verdict stays the same."""
    try:
        yield
    except BrokenPipeError:
        drop_stdout()
