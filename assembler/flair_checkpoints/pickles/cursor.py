"""Reads a part of a stream from its beginning to its end, and never more than it holds."""

from __future__ import annotations

from typing import BinaryIO

from assembler.flair_checkpoints.pickles.rejections import DamagedError

#: The bytes that are read at a time if fewer are requested.
_CHUNK = 1 << 18


class Cursor:
    """A place in a part of a stream."""

    def __init__(self, stream: BinaryIO, start: int, end: int) -> None:
        """Begin at `start`; nothing from `end` on is read."""
        stream.seek(start)
        self._stream = stream
        self._unread = end - start  # in the stream, after the bytes in memory
        self._held = b""
        self._at = 0

    @property
    def remaining(self) -> int:
        """The number of bytes up to the end."""
        return self._unread + len(self._held) - self._at

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            DamagedError: There are fewer. No memory was requested then.
        """
        at = self._at
        end = at + size
        if end > len(self._held):
            self._fill(size)
            at, end = 0, size
        self._at = end
        return self._held[at:end]

    def byte(self) -> int:
        """Return the next byte.

        Raises:
            DamagedError: There is none.
        """
        if self._at == len(self._held):
            self._fill(1)
        at = self._at
        self._at = at + 1
        return self._held[at]

    def line(self, most: int) -> bytes:
        """Return the bytes up to the end of the line, without it.

        Raises:
            DamagedError: The line has more than `most` bytes, or no end.
        """
        found = bytearray()
        while (byte := self.byte()) != ord("\n"):
            found.append(byte)
            if len(found) > most:
                message = f"a name has more than {most} characters"
                raise DamagedError(message)
        return bytes(found)

    def into(self, target: memoryview) -> None:
        """Fill memory with the next bytes.

        Raises:
            DamagedError: There are fewer.
        """
        if len(target) > self.remaining:
            raise _ended()
        count = min(len(target), len(self._held) - self._at)
        target[:count] = self._held[self._at : self._at + count]
        self._at += count
        while count < len(target):
            part = self._stream.read(min(_CHUNK, len(target) - count))
            if not part:
                raise _ended()
            target[count : count + len(part)] = part
            count += len(part)
            self._unread -= len(part)

    def _fill(self, size: int) -> None:
        """Buffer at least `size` bytes from the current place."""
        if size > self.remaining:
            raise _ended()
        rest = self._held[self._at :]
        wanted = min(max(size - len(rest), _CHUNK), self._unread)
        read = self._stream.read(wanted)
        if len(read) < wanted:  # the file has become shorter since its size was taken
            raise _ended()
        self._unread -= wanted
        self._held = rest + read
        self._at = 0


def _ended() -> DamagedError:
    return DamagedError("it ends in the middle")
