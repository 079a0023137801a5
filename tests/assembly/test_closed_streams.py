"""A command does its work, and says with its exit code how that went, whichever streams its caller has closed."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from assembler.page.writing import RUNTIME_FILES

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no shell that closes streams")

ROOT = Path(__file__).resolve().parents[2]
ASSEMBLE = Path(sys.executable).with_name("assemble")
FINE = """version: 1
name: fine
inputs: {x: {type: float32, shape: [n]}}
graph: {part: {kind: cast, to: int64, inputs: {tensor: x}}}
outputs: {y: part.tensor}
"""
CLOSED = [
    "".join(f" {each}" for each in some) for size in (1, 2, 3) for some in combinations(("<&-", ">&-", "2>&-"), size)
]
COMMANDS = {
    "check fine.yaml": 0,
    "check bad.yaml": 1,
    "check --format json bad.yaml": 1,
    "build bad.yaml": 1,
    "build --format json bad.yaml": 1,
    "fine.yaml -o new.onnx": 0,
    "inspect fine.onnx": 0,
    "verify fine.onnx": 0,
    "diff fine.onnx fine.onnx": 0,
    "tag fine.onnx": 1,
    "graph fine.yaml": 0,
    "schema": 0,
    f"init {ROOT}/specs/weights/demo-pos.pt -o written.yaml --force": 0,
    "init bad.yaml": 1,
    "page text.onnx -o page --runtime runtime --force": 0,
    "page fine.onnx -o page --runtime runtime --force": 1,
    "bench bad.yaml": 1,
    "serve none": 2,
    "check --bogus": 2,
    "nothing": 2,
    "--help": 0,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from assembler import assemble

    folder = tmp_path_factory.mktemp("streams")
    (folder / "fine.yaml").write_text(FINE, encoding="utf-8")
    (folder / "bad.yaml").write_text(FINE.replace("x}", "z}"), encoding="utf-8")
    assemble(folder / "fine.yaml", folder / "fine.onnx")
    assemble(ROOT / "specs" / "demo-text.yaml", folder / "text.onnx", proof=False)
    (folder / "runtime").mkdir()
    for name in RUNTIME_FILES:
        (folder / "runtime" / name).write_text(name, encoding="utf-8")
    return folder


def shell(place: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", command], capture_output=True, text=True, check=False, cwd=place, env={**os.environ}
    )


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        *((command, " <&- 2>&-") for command in COMMANDS),
        ("fine.yaml -o new.onnx", " 2>&-"),
        ("check bad.yaml", " 2>&-"),
    ],
)
def test_a_command_goes_its_way_without_stdin_and_stderr(place: Path, command: str, closed: str) -> None:
    done = shell(place, f"'{ASSEMBLE}' {command}{closed}")
    assert done.returncode == COMMANDS[command]
    assert "Traceback" not in done.stdout + done.stderr
    assert "a bug of ours" not in done.stderr


@pytest.mark.parametrize("closed", [" 2>&-", " <&- 2>&-"])
def test_a_folder_is_served_without_stdin_and_stderr(place: Path, closed: str) -> None:
    script = f"""
    '{ASSEMBLE}' serve runtime --port 0 > address{closed} & server=$!
    for i in $(seq 100); do [ -s address ] && break; sleep 0.1; done
    port=$(grep -o '[0-9]*/$' address | tr -d /)
    exec 3<>/dev/tcp/127.0.0.1/$port
    printf 'GET /{RUNTIME_FILES[0]} HTTP/1.0\\r\\nHost: localhost:%s\\r\\n\\r\\n' $port >&3
    head -n 1 <&3
    kill $server; wait $server"""
    done = shell(place, script)
    assert (done.returncode, done.stdout) == (143, "HTTP/1.0 200 OK\n")


@pytest.mark.parametrize("closed", [each for each in CLOSED if " >&-" in each])
def test_nothing_is_served_where_nobody_would_learn_the_address(place: Path, closed: str) -> None:
    assert shell(place, f"'{ASSEMBLE}' serve runtime --port 0{closed}").returncode == 1


@pytest.mark.parametrize("closed", [each for each in CLOSED if " >&-" in each])
def test_nothing_is_done_where_its_result_would_be_lost(place: Path, closed: str) -> None:
    done = shell(place, f"'{ASSEMBLE}' fine.yaml -o lost.onnx{closed}")
    assert done.returncode == 1
    assert done.stderr == ("" if "2>&-" in closed else "standard output is closed: results would be lost\n")
    assert not (place / "lost.onnx").exists()


@pytest.mark.parametrize("closed", [" 2>&-", " <&- 2>&-"])
def test_a_model_does_not_take_the_place_of_a_closed_stream(place: Path, closed: str) -> None:
    """A library's output on stderr would end up in a file that got its number."""
    done = shell(place, f"'{ASSEMBLE}' fine.yaml -o streams.onnx{closed}")
    assert done.returncode == 0
    assert (place / "streams.onnx").read_bytes() == (place / "fine.onnx").read_bytes()


@pytest.mark.parametrize("command", ["check bad.yaml", "build bad.yaml", "fine.yaml -o again.onnx", "check --bogus"])
@pytest.mark.parametrize("to", ["2> >(exec true)", "2>/dev/full"])
def test_messages_that_nobody_reads_change_nothing(place: Path, command: str, to: str) -> None:
    done = shell(place, f"sleep 0.2 {to}; exec '{ASSEMBLE}' {command} {to}")
    assert done.returncode == COMMANDS.get(command, 0)
    assert (place / "again.onnx").exists() or "again" not in command


@pytest.mark.parametrize(
    ("command", "code"),
    [("check bad.yaml", 1), ("check --format json bad.yaml", 1), ("build --format json bad.yaml", 1), ("schema", 0)],
)
def test_a_verdict_stays_what_it_is_where_its_reader_leaves(place: Path, command: str, code: int) -> None:
    done = shell(place, f"'{ASSEMBLE}' {command} > >(exec true); echo $?")
    assert done.stdout.split() == [str(code)]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
