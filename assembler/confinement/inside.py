"""The confined process: gives up what it does not need, tries whether that is gone, and does its one task.

What is given up cannot be had again. First new namespaces without a network, as long as there is one thread; then the
libraries are imported; then Landlock, the limits and the filter of system calls. Whatever a later pickle runs, it runs
with what is left: memory and time within limits, the libraries' files for reading, and the pipe of its answer.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import sysconfig
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.confinement.kernel import SystemCallError, prctl, unshare
from assembler.confinement.landlock import read_only
from assembler.confinement.promises import Held, Promise
from assembler.confinement.system_calls import keep_few_system_calls
from assembler.isolation.frames import Frame
from assembler.isolation.self_limits import die_with, limit_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    #: What a confined process does: it reads the file and the request, and writes its answer.
    Task = Callable[[BinaryIO, Frame, BinaryIO], None]

_NO_NEW_RIGHTS, _NOT_DUMPABLE = 38, 4
_USER, _NETWORK, _TALK = 0x10000000, 0x40000000, 0x08000000
_MOST_FILES = 256


def main() -> None:
    """Confine this process, say what is in force, and do the task.

    The arguments are the module of the task, the id of the parent, the bytes of memory, the seconds of the processor,
    and the number of the descriptor with the file. What is in force is written to where the standard output was. Then
    the request is read from where the standard input was, which comes if that is enough; and the answer is written.
    """
    module, parent, memory, seconds, descriptor = sys.argv[1], *map(int, sys.argv[2:6])
    die_with(parent)
    apart = _leave_network()
    task: Task = import_module(module).answer
    file, (requests, answers) = os.fdopen(descriptor, "rb"), _streams()
    os.environ.clear()
    os.chdir("/")
    _confine(memory, seconds, apart=apart).frame().write(answers)
    task(file, Frame.read(requests), answers)
    answers.flush()
    os._exit(0)  # nothing that was unpickled runs at the end


def _leave_network() -> bool:
    """Move to namespaces of its own, in which there is no network; where the kernel lets a user do so."""
    with suppress(SystemCallError):
        unshare(_USER | _NETWORK | _TALK)
        return True
    return False


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Return the streams of the request and the answer, and keep what is printed from both."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    return requests, answers


def _confine(memory: int, seconds: int, *, apart: bool) -> Held:
    """Give up everything else, and return what is in force."""
    import resource

    for option, value in ((_NOT_DUMPABLE, 0), (_NO_NEW_RIGHTS, 1)):
        with suppress(SystemCallError):
            prctl(option, value)
    limit_memory(memory)
    for limit, most in (
        (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES), (resource.RLIMIT_MEMLOCK, 0), (resource.RLIMIT_MSGQUEUE, 0),
    ):  # fmt: skip
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write that is too long fails, instead of ending the process
    # Landlock binds one thread: if a library has started others, it does not hold
    landlock = len([*Path("/proc/self/task").iterdir()]) == 1 and read_only(_libraries())
    seccomp = keep_few_system_calls()
    tried = {promise: attempt() for promise, attempt in _ATTEMPTS.items()}
    if apart:
        tried[Promise.NETWORK] = True  # a socket leads nowhere
    return Held.of(tried, namespaces=apart, landlock=landlock, seccomp=seccomp)


def _libraries() -> list[str]:
    """Return the folders of Python, of what is installed, and of this package."""
    named = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # packages may be elsewhere than sysconfig says, such as in a folder of PYTHONPATH
    found = {str(Path(file).parent) for file in map(_file_of_package, list(sys.modules)) if file is not None}
    return sorted(folder for folder in {*named, *found} if folder and Path(folder).is_absolute())


def _file_of_package(name: str) -> str | None:
    module = sys.modules[name]
    return getattr(module, "__file__", None) if "." not in name and hasattr(module, "__path__") else None


def _no_socket() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError:
        return True
    return False


def _no_reading() -> bool:
    try:
        os.close(os.open("/", os.O_RDONLY))
    except OSError:
        return True
    return False


def _no_writing() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_WRONLY))
    except OSError:
        return True
    return False


def _no_process() -> bool:
    try:
        child = os.fork()
    except OSError:
        return True
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False


_ATTEMPTS: dict[Promise, Callable[[], bool]] = {
    Promise.NETWORK: _no_socket,
    Promise.READING: _no_reading,
    Promise.WRITING: _no_writing,
    Promise.PROCESSES: _no_process,
}
