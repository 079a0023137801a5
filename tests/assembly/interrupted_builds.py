"""Runs builds that are stopped at random moments, in forks of one process, and prints what each left as JSON.

    python interrupted_builds.py FOLDER SPEC SIGNAL COUNT SEED [OPTION]...

FOLDER holds an older, valid `model.onnx`. Everything is imported once, so that a fork costs no time. A line for each
build: how it ended, when it was stopped, and the digest of each file in the folder after it. Builds that end before
they are stopped do not count.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

# The signals that ask a process to stop; a child blocks them until it can answer.
_ASKING = (signal.SIGINT, signal.SIGTERM)
# Seconds after which a build counts as hung.
_PATIENCE = 60


def warm_up() -> None:
    """Import what a build imports, and start no thread: forks would lack it."""
    import torch

    torch.set_num_threads(1)


def build(spec: str, target: Path, options: list[str]) -> None:
    """Run the command line of a build, and end the process with its exit code."""
    from assembler.cli.main import main

    code = 99
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKING)
        main([spec, "-o", str(target), *options])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 98
    except KeyboardInterrupt:  # before the command line has begun
        code = 130
    finally:  # never by way of the interpreter's end: ONNX Runtime waits there for threads that a fork lacks
        os._exit(code)


def state(folder: Path) -> dict[str, str]:
    """Return the digest of each file."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def report(record: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def wait(child: int) -> tuple[str, int]:
    end = time.monotonic() + _PATIENCE
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hung", 0
        time.sleep(0.002)
    _, status = found
    return ("signal", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ("exit", os.WEXITSTATUS(status))


def main() -> None:
    """Run the builds."""
    folder, spec, number, count, seed, *options = sys.argv[1:]
    target = Path(folder) / "model.onnx"
    older = {file: file.read_bytes() for file in target.parent.iterdir()}
    warm_up()

    def restore() -> None:
        for file in target.parent.iterdir():
            if file not in older and not file.name.endswith(".partial"):
                file.unlink()
        for file, data in older.items():
            if file.read_bytes() != data:
                file.write_bytes(data)

    def start() -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
        child = os.fork()
        if child == 0:
            build(spec, target, options)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKING)
        return child

    begun = time.monotonic()
    outcome = wait(start())
    duration = time.monotonic() - begun
    report({"outcome": outcome, "duration": duration, "files": state(target.parent)})
    draw = random.Random(int(seed))  # noqa: S311 - moments, no secrets
    stopped = 0
    for index in range(3 * int(count)):
        if stopped == int(count):
            break
        restore()
        # one moment in each equal share of the build, so that every step is hit
        moment = (index % int(count) + draw.random()) / int(count) * duration
        child = start()
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, getattr(signal, number))
        outcome = wait(child)
        stopped += outcome != ("exit", 0)
        report({"outcome": outcome, "moment": moment, "files": state(target.parent)})


if __name__ == "__main__":
    main()
