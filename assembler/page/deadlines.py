"""Streams of a connection that are done in time or fail: a client that says a byte now and then holds nothing up."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from _typeshed import ReadableBuffer, WriteableBuffer

#: The bytes a second that a client must take of an answer. A browser on this machine takes a hundred times as many.
_SLOWEST = 1e6


class _Time:
    """So many seconds for one direction of a connection, from its first use on."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection, self._seconds = connection, seconds
        self._begun: float | None = None

    def wait(self, more: float = 0.0) -> None:
        """Let the next step take what is left, and `more` than that.

        Raises:
            TimeoutError: Nothing is left.
        """
        now = time.monotonic()
        self._begun = now if self._begun is None else self._begun
        left = self._begun + self._seconds + more - now
        if left <= 0:
            message = "the client is too slow"
            raise TimeoutError(message)
        self._connection.settimeout(left)


class TimedReader(io.RawIOBase):
    """What a client says, which has to be said within some seconds, however it is cut."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        """Wrap a connection, which stays the caller's."""
        super().__init__()
        self._connection, self._time = connection, _Time(connection, seconds)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what is there, or wait for it as long as there is time."""
        self._time.wait()
        return self._connection.recv_into(buffer)


class TimedWriter(io.BufferedIOBase):
    """What a client is told, which it has to take within some seconds, and more for long answers."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        """Wrap a connection, which stays the caller's."""
        super().__init__()
        self._connection, self._time, self._sent = connection, _Time(connection, seconds), 0

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Send all of it."""
        with memoryview(data) as view:
            self._time.wait(self._sent / _SLOWEST)
            self._connection.sendall(view)
            self._sent += view.nbytes
            return view.nbytes
