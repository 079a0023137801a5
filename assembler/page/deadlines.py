"""Streams of a connection that finish in time or fail, so that a client that sends slowly blocks nothing."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from _typeshed import ReadableBuffer, WriteableBuffer

#: The bytes a second that a client must read of a response. A browser on this machine reads a hundred times as many.
_SLOWEST = 1e6


class _Time:
    """A number of seconds for one direction of a connection, from its first use on."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection, self._seconds = connection, seconds
        self._begun: float | None = None

    def wait(self, more: float = 0.0) -> None:
        """Give the next step the remaining time, plus `more`.

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
    """A client's request, which must arrive within some seconds, however it is split."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        """Wrap a connection, which stays the caller's."""
        super().__init__()
        self._connection, self._time = connection, _Time(connection, seconds)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the available bytes, or wait for some as long as there is time."""
        self._time.wait()
        return self._connection.recv_into(buffer)


class TimedWriter(io.BufferedIOBase):
    """A response, which a client must read within some seconds, or more for long ones."""

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
