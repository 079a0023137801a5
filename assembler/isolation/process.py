"""The process beside ours, as we see it: started when it is needed, asked, and ended."""

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

    #: Makes the error of what a library said, of which it is given the first line.
    Failed = Callable[[str], AssemblerError]

#: Isolated: neither the current folder nor the environment may put a module of a stranger's before ours.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from assembler.isolation.worker import main; main()"
)
_PATIENCE = 10.0
_RANGE = "give the inputs of the spec a 'range' that the part can compute with"
_MEANINGS = {
    "SIGFPE": "a division by zero, or the like",
    "SIGSEGV": "it touched memory that is not its own",
    "SIGBUS": "it touched memory that is not there",
    "SIGABRT": "it gave up by itself",
    "SIGILL": "an instruction that this processor lacks",
    "SIGKILL": "the system ended it, which it does where memory runs out",
}


class Worker:
    """A process that loads and runs models for us. It is started when it is first asked, and again after it died."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Keep the limits; nothing is started yet."""
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[[subprocess.Popen[bytes]], Worker] | None = None
        #: The numbers of models that are no longer needed.
        self.dropped: list[int] = []
        #: Counts the processes, so that the owner of a loaded model can tell whether it is still loaded.
        self.generation = 0

    def ask(self, request: Frame, what: str, failed: Failed, *, on: str = "", size: int = 0) -> Frame:
        """Ask for one thing, and wait for the answer. Signals are answered meanwhile; then the process is ended.

        Args:
            request: What is asked.
            what: Which part, or model, it is about, for problems.
            failed: Makes the error of what a library raised.
            on: What the part is run on, for problems.
            size: The bytes of the model.

        Raises:
            ModelError: The process died (M025), took too long (M026) or too much memory (M027), or a library raised
                (as `failed` says).
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
                self.close()  # what it holds is not worth keeping
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
            start_new_session=True,  # a Ctrl-C in the terminal is ours to answer
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},  # arenas reserve addresses, which the limit counts
        )
    except (OSError, ValueError) as err:
        message = f"no process can be started beside this one, to run foreign parts in: {err}"
        raise ModelError(Problem("M025", message)) from err


def _finish(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError, ValueError):  # what is left in its buffer has nowhere to go
                stream.close()
    process.wait()


def _carry(process: subprocess.Popen[bytes], request: Frame, answers: queue.SimpleQueue[Frame | None]) -> None:
    """Bring a request over and its answer back, or `None` where the process ends, or answers with what is none."""
    try:
        stdin, stdout = _streams(process)
        request.write(stdin)
        answers.put(Frame.read(stdout))
    except TypeError as err:  # of an element type that does not travel
        answers.put(Frame({"failed": "error", "text": str(err)}))
    except (OSError, EOFError, DamagedFrameError, ValueError):  # ValueError: closed, for the wait is over
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
        how = "broke off the talk" if code is None else f"ended with the code {code}"
        return Problem("M025", f"{what}: the process that it ran in {how}{on}", _RANGE if on else None)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    meaning = f" ({_MEANINGS[name]})" if name in _MEANINGS else ""
    hint = _RANGE if on else "does the file run in ONNX Runtime by itself?"
    return Problem("M025", f"{what}: ended its process by {name}{meaning}{on}", hint)


def _late(what: str, on: str, seconds: float) -> Problem:
    hint = f"if it honestly takes longer, set {SECONDS} to more seconds"
    return Problem("M026", f"{what}: no result after {seconds:.0f} seconds{on}", hint)


def _too_large(what: str, on: str, memory: int, reason: str) -> Problem:
    hint = f"if it honestly takes more, free some, or set {MEMORY} to more bytes"
    return Problem(
        "M027", f"{what}: wants more memory than the {memory / 1e9:.1f} GB that it may take{on}: {reason}", hint
    )
