"""Our end of the separate process: starts it when it is needed, sends it requests, and ends it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from assembler.core.errors import AssemblerError, ModelError
from assembler.core.problems import Problem
from assembler.isolation.frames import DamagedFrameError, Frame
from assembler.isolation.limits import MEMORY, SECONDS, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Makes an error from the first line of a library's message.
    Failed = Callable[[str], AssemblerError]

#: Python runs isolated, so that neither the current folder nor the environment can put a stranger's module before ours.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from assembler.isolation.worker import main; main()"
)
_PATIENCE = 10.0
_RANGE = "give the inputs of the spec a 'range' that the part can compute with"
_MEANINGS = {
    "SIGFPE": "a division by zero, or the like",
    "SIGSEGV": "it accessed memory that is not its own",
    "SIGBUS": "it accessed memory that does not exist",
    "SIGABRT": "it aborted itself",
    "SIGILL": "it used an instruction that this processor lacks",
    "SIGKILL": "the system ended it, as it does when memory runs out",
}


class Worker:
    """A process that loads and runs models for us. It is started at the first request, and again after it has died."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Keep the limits; nothing is started yet."""
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[[subprocess.Popen[bytes]], Worker] | None = None
        #: The numbers of the models that are no longer needed.
        self.dropped: list[int] = []
        #: Counts the processes, so that the owner of a loaded model can tell whether it is still loaded.
        self.generation = 0

    def ask(self, request: Frame, what: str, failed: Failed, *, on: str = "", size: int = 0) -> Frame:
        """Send a request, and wait for the answer. A signal that arrives meanwhile ends the process.

        Args:
            request: What is asked.
            what: The part or model that it is about, for problems.
            failed: Makes the error for an exception of a library.
            on: The inputs of the part in words, for problems.
            size: The bytes of the model.

        Raises:
            ModelError: The process died (M025), took too long (M026) or too much memory (M027), or a library raised
                (the error that `failed` makes).
        """
        limits = self._limits or Limits.of_this_machine()
        process = self._started(limits)
        drop, self.dropped[:] = list(self.dropped), []
        request = replace(request, words={**request.words, "drop": drop})
        answers: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        carrier = threading.Thread(target=_carry, args=(process, request, answers), daemon=True)
        carrier.start()
        seconds = limits.seconds_for(size)
        try:
            answer = answers.get(timeout=seconds)
        except queue.Empty:
            self.close()
            raise ModelError(_late(what, on, seconds)) from None
        except BaseException:  # Ctrl-C and SIGTERM
            self.close()
            raise
        if answer is None:
            code = _code(process)
            self.close()
            raise ModelError(_died(what, on, code))
        if "failed" in answer.words:
            text = str(answer.words.get("text", "")).strip().splitlines() or ["no reason is given"]
            if answer.words["failed"] == "memory":
                self.close()  # nothing in it is worth keeping
                raise ModelError(_too_large(what, on, limits.memory, text[0]))
            raise failed(text[0])
        return answer

    def close(self) -> None:
        """End the process, and forget what it has loaded."""
        if self._end is not None:
            self._end()
            self.generation += 1
        self._process = self._end = None

    def _started(self, limits: Limits) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = _start(limits.memory)
            self._end = weakref.finalize(self, _finish, self._process)
        return self._process


def _start(memory: int) -> subprocess.Popen[bytes]:
    paths = json.dumps([path for path in sys.path if path])
    try:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-c", _START, paths, str(os.getpid()), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # this process handles a Ctrl-C in the terminal
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},  # memory arenas reserve addresses, and the limit counts these
        )
    except (OSError, ValueError) as err:
        message = f"the process in which foreign parts run cannot be started: {err}"
        raise ModelError(Problem("M025", message)) from err


def _finish(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError, ValueError):  # the rest of its buffer cannot be written any more
                stream.close()
    process.wait()


def _carry(process: subprocess.Popen[bytes], request: Frame, answers: queue.SimpleQueue[Frame | None]) -> None:
    """Send a request and return its answer, or `None` if the process ends or sends something that is not an answer."""
    try:
        stdin, stdout = _streams(process)
        request.write(stdin)
        answers.put(Frame.read(stdout))
    except TypeError as err:  # of an element type that cannot be sent
        answers.put(Frame({"failed": "error", "text": str(err)}))
    except (OSError, EOFError, DamagedFrameError, ValueError):  # ValueError: it was closed, because the wait is over
        answers.put(None)


def _streams(process: subprocess.Popen[bytes]) -> tuple[BinaryIO, BinaryIO]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    return process.stdin, process.stdout  # type: ignore[return-value] # the IO of bytes that subprocess gives is one


def _code(process: subprocess.Popen[bytes]) -> int | None:
    """Return how a process ended, or `None` if it has not."""
    try:
        return process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return None


def _died(what: str, on: str, code: int | None) -> Problem:
    if code is None or code >= 0:
        how = "stopped answering" if code is None else f"ended with the code {code}"
        return Problem("M025", f"{what}: the process that it ran in {how}{on}", _RANGE if on else None)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    meaning = f" ({_MEANINGS[name]})" if name in _MEANINGS else ""
    hint = _RANGE if on else "try whether the file runs in ONNX Runtime by itself"
    return Problem("M025", f"{what}: its process was ended by {name}{meaning}{on}", hint)


def _late(what: str, on: str, seconds: float) -> Problem:
    hint = f"if it really needs longer, set {SECONDS} to more seconds"
    return Problem("M026", f"{what}: no result after {seconds:.0f} seconds{on}", hint)


def _too_large(what: str, on: str, memory: int, reason: str) -> Problem:
    hint = f"if it really needs more, free some memory or set {MEMORY} to more bytes"
    return Problem(
        "M027", f"{what}: needs more memory than the {memory / 1e9:.1f} GB that it may take{on}: {reason}", hint
    )
