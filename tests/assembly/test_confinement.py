"""A confined process keeps memory and time: what a hostile pickle tries fails, and its answer is not believed."""

from __future__ import annotations

import os
import pickle
import sys
from typing import TYPE_CHECKING

import pytest

from assembler.confinement.process import ConfinedError, Order, ask
from assembler.confinement.promises import Promise
from assembler.isolation.frames import Frame
from assembler.isolation.limits import Limits

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from assembler.confinement.promises import Held

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process without rights")

#: Unpickles each pickle in the file's list of them, and answers with what became of it.
TASK = """
import pickle
from assembler.isolation.frames import Frame

def answer(file, request, answers):
    found = []
    for each in pickle.load(file):
        try:
            found.append(f"did it: {pickle.loads(each)!r:.80}")
        except BaseException as err:
            found.append(type(err).__name__)
    Frame({"found": found}).write(answers)
"""


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, code: str) -> None:
        self.code = f"(lambda os, socket, ctypes: {code})(*map(__import__, ('os', 'socket', 'ctypes')))"

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (self.code,)


def run(folder: Path, *codes: str, seconds: float = 60, most: int = 1 << 20) -> tuple[list[str], Held]:
    """Let a confined process unpickle code, and return what became of each piece and what was in force."""
    (folder / "unpickling_task.py").write_text(TASK, encoding="utf-8")
    file = folder / "pickles"
    file.write_bytes(pickle.dumps([pickle.dumps(Evil(code)) for code in codes]))
    held: list[Held] = []

    def read(answers: BinaryIO) -> list[str]:
        return list(Frame.read(answers).words["found"])

    with file.open("rb") as stream:
        order = Order("unpickling_task", stream, Frame({}), held.append, most)
        return ask(order, Limits(seconds, 1 << 30), read), held[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_nothing_that_a_pickle_tries_succeeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the caller")
    victim = folder / "victim"
    victim.write_text("precious", encoding="utf-8")
    tried = {
        f"open({str(folder / 'made')!r}, 'w')": "PermissionError",
        f"open({str(victim)!r}, 'a')": "PermissionError",
        f"os.unlink({str(victim)!r})": "PermissionError",
        f"os.rename({str(victim)!r}, {str(victim)!r} + '2')": "PermissionError",
        f"os.chmod({str(victim)!r}, 0)": "PermissionError",
        f"os.utime({str(victim)!r}, (0, 0))": "PermissionError",
        f"os.mkdir({str(folder / 'new')!r})": "PermissionError",
        f"open({str(victim)!r}).read()": "PermissionError",
        "open('/etc/passwd').read()": "PermissionError",
        f"open('/proc/{os.getpid()}/environ').read()": "PermissionError",
        "os.listdir('/')": "PermissionError",
        "socket.socket()": "PermissionError",
        "socket.socket(socket.AF_UNIX)": "PermissionError",
        "socket.socketpair()": "PermissionError",
        "[os.fork() for _ in range(100)]": "PermissionError",
        "os.posix_spawn('/bin/true', ['true'], {})": "PermissionError",
        "os.execv('/bin/true', ['true'])": "PermissionError",
        "__import__('subprocess').run(['true'])": "PermissionError",
        "__import__('threading').Thread(target=print).start()": "RuntimeError",
        "os.kill(os.getppid(), 0)": "PermissionError",
        "os.kill(os.getpid(), 9)": "PermissionError",
        f"ctypes.CDLL(None, use_errno=True).ptrace(16, {os.getpid()}, 0, 0) + 1 or 1 / 0": "ZeroDivisionError",
        "ctypes.CDLL(None).unshare(0x10000000) + 1 or 1 / 0": "ZeroDivisionError",
        "bytearray(1 << 40)": "MemoryError",
        "dict(os.environ)": "did it: {}",
        "print('garbage') or os.getcwd()": "did it: '/'",
        "__import__('colorsys').rgb_to_hsv(0, 0, 0)": "did it: (0.0, 0.0, 0)",  # the libraries can still be imported
    }
    found, held = run(folder, *tried)
    assert held.missing() == ()
    assert {code: got for code, got in zip(tried, found, strict=True) if tried[code] != got} == {}
    assert victim.read_text(encoding="utf-8") == "precious"
    assert victim.stat().st_mtime > 0
    assert {path.name for path in folder.iterdir()} <= {"__pycache__", "pickles", "unpickling_task.py", "victim"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "[os.write(n, b'garbage' * 9) for n in range(3, 20) if not ctypes.CDLL(None).fcntl(n, 3) % 4 != 1]",
            "no answer",
        ),
        ("os._exit(3)", "ended with the code 3"),
        ("os._exit(0)", "broke off"),
        ("ctypes.string_at(0)", "signal"),
    ],
)
def test_an_answer_that_is_none_is_refused(folder: Path, code: str, said: str) -> None:
    with pytest.raises(ConfinedError, match=said):
        run(folder, code)


def test_a_process_that_computes_for_ever_is_ended(folder: Path) -> None:
    with pytest.raises(ConfinedError, match=r"longer than 3 seconds|ended by the signal"):
        run(folder, "[0 for _ in iter(int, 1)]", seconds=3)


def test_nothing_begins_if_too_little_is_in_force(folder: Path) -> None:
    (folder / "unpickling_task.py").write_text(TASK, encoding="utf-8")
    (folder / "pickles").write_bytes(pickle.dumps([]))

    def refuse(held: Held) -> None:
        assert Promise.NETWORK in held.promises
        message = "too little"
        raise LookupError(message)

    with (folder / "pickles").open("rb") as stream:
        order = Order("unpickling_task", stream, Frame({}), refuse, 1 << 20)
        with pytest.raises(LookupError, match="too little"):
            ask(order, Limits(60, 1 << 30), Frame.read)
