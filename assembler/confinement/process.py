"""Starts a confined process, gives it a file, and takes its answer, of which nothing is believed."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assembler.confinement.promises import Held
from assembler.isolation.frames import DamagedFrameError, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from assembler.isolation.limits import Limits

    Answer = TypeVar("Answer")

#: Isolated: neither the current folder nor the environment may put a module of a stranger's before ours.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from assembler.confinement.inside import main; main()"
)
#: What libraries read when they are imported: one thread, and no look at a hub. It is gone before the task begins.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
    "PYTHONWARNINGS": "ignore", "MPLBACKEND": "agg",
}  # fmt: skip


class ConfinedError(Exception):
    """A confined process gave no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a confined process is to do.

    Attributes:
        module: The module with the function `answer`, which does the task.
        file: The file, which has a descriptor; the process can read it, and not write to it.
        request: What is asked.
        accept: Called with what is in force, before the process is told to begin; it raises if that is too little.
        most: The most bytes of the answer.
    """

    module: str
    file: BinaryIO
    request: Frame
    accept: Callable[[Held], None]
    most: int


class _Bounded(BinaryIO if TYPE_CHECKING else object):  # type: ignore[misc]
    """A stream of which so many bytes are read, and no more."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream, self._left = stream, most

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            message = "it is longer than anything that was asked for"
            raise DamagedFrameError(message)
        return content


def ask(order: Order, limits: Limits, read: Callable[[BinaryIO], Answer]) -> Answer:
    """Let a confined process do a task with a file, and return what is made of its answer.

    Args:
        order: The task.
        limits: The memory that the process may take, and the seconds.
        read: Reads the answer. It runs in another thread, which is left alone after the time is over.

    Raises:
        ConfinedError: The process ended, was too slow, or answered what is no answer.
        Exception: What `accept` and `read` raise.
    """
    seconds = limits.seconds_for(os.fstat(order.file.fileno()).st_size)
    with _started(order, limits.memory, seconds) as process:
        found: queue.SimpleQueue[tuple[Answer | None, BaseException | None]] = queue.SimpleQueue()
        threading.Thread(target=_carry, args=(process, order, read, found), daemon=True).start()
        try:
            answer, err = found.get(timeout=seconds)
        except queue.Empty:
            message = f"it took longer than {seconds:.0f} seconds"
            raise ConfinedError(message) from None
        if isinstance(err, OSError | EOFError | DamagedFrameError | ValueError):
            raise ConfinedError(_reason(process, err)) from err
        if err is not None:
            raise err
        return answer  # type: ignore[return-value] # of a reading that raised nothing


def _carry(
    process: subprocess.Popen[bytes],
    order: Order,
    read: Callable[[BinaryIO], Answer],
    found: queue.SimpleQueue[tuple[Answer | None, BaseException | None]],
) -> None:
    """Let the process begin when what is in force is enough, and read its answer."""
    try:
        requests, answers = _streams(process)
        bounded = _Bounded(answers, order.most)
        order.accept(Held.read(Frame.read(bounded)))
        order.request.write(requests)
        found.put((read(bounded), None))
    except BaseException as err:  # noqa: BLE001 - it is raised again where the answer is waited for
        found.put((None, err))


def _streams(process: subprocess.Popen[bytes]) -> tuple[BinaryIO, BinaryIO]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    return process.stdin, process.stdout  # type: ignore[return-value] # the IO of bytes that subprocess gives is one


@contextmanager
def _started(order: Order, memory: int, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    paths = json.dumps([path for path in sys.path if path])
    # a descriptor of its own, which cannot write whatever ours can
    descriptor = os.open(f"/proc/self/fd/{order.file.fileno()}", os.O_RDONLY)
    arguments = [order.module, *map(str, (os.getpid(), memory, int(seconds) + 1, descriptor))]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-c", _START, paths, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,  # a Ctrl-C in the terminal is ours to answer
            env=_ENVIRONMENT,
        )
    except OSError as err:
        message = f"no process can be started: {err}"
        raise ConfinedError(message) from err
    finally:
        os.close(descriptor)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.close()


def _reason(process: subprocess.Popen[bytes], err: BaseException) -> str:
    """Return why there is no answer: how the process ended, or what was wrong with what it sent."""
    with suppress(subprocess.TimeoutExpired):
        code = process.wait(1)
        if code:
            return f"its process ended by the signal {-code}" if code < 0 else f"its process ended with the code {code}"
    return f"what it sent is no answer: {err}" if str(err) else "it broke off its answer"
