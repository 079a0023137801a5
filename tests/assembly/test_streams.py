"""What the command line does with odd streams, and what it prints for hosts without Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assembler.runtime import Interface, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.assembly.conftest import Outcome, Workshop

ASSEMBLE = Path(sys.executable).with_name("assemble")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_stdout_is_a_problem_and_no_bug(built: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [ASSEMBLE, "tag", built], input=b"ja nein\n", stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"a bug of ours" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no shell that closes streams")
def test_a_closed_stdin_is_wrong_usage(built: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{ASSEMBLE}' tag '{built}' <&-"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "standard input is closed; name a file" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no shell that closes streams")
def test_a_closed_stdout_does_not_look_like_success(built: Path) -> None:
    command = f"echo ja | '{ASSEMBLE}' tag '{built}' >&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_the_metadata_alone_tells_a_host_how_to_feed_the_model(cli: Callable[..., Outcome], built: Path) -> None:
    outcome = cli("inspect", built, "--metadata")
    assert outcome.code == 0
    told = json.loads(outcome.out)
    interface = Interface.from_metadata(told["interface"], told["dictionaries"], told["vocabularies"])
    assert list(encode(interface, [["ja", "nein"]])) == [
        "forward", "forwardIndices", "backward", "backwardIndices", "characterLengths", "lengths"
    ]  # fmt: skip
    assert told["labels"][0] == "NOUN"


@pytest.mark.parametrize(("where", "message"), [("ports", "no ports today"), ("build", "no operators today")])
def test_a_kind_of_another_package_that_fails_is_named(
    shop: Workshop, tmp_path: Path, where: str, message: str
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "version: 1\nname: failing\ninputs: {x: {type: float32, shape: [n]}}\n"
        "graph:\n  part: {kind: failing, inputs: {tensor: x}}\noutputs: {y: part.tensor}\n",
        encoding="utf-8",
    )
    script = f"""
import sys
from assembler import Kind, Port, Ports, TensorType, register
from assembler.cli.main import main

def ports(part):
    if {where!r} == "ports":
        raise KeyError("no ports today")
    one = TensorType("float32", None)
    return Ports((Port("tensor", one),), (Port("tensor", one),))

def build(part, emit):
    raise KeyError("no operators today")

register(Kind(name="failing", summary="Fails.", ports=ports, build=build))
main([{str(spec)!r}, "-o", {str(tmp_path / "m.onnx")!r}])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=dict(shop.environment)
    )
    assert done.returncode == 1
    place = f"{spec}:5:16: K003 part: kind 'failing', of another package, fails: KeyError: '{message}'"
    assert place in done.stderr
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(("count", "shown"), [(400, True), (5, False)])
def test_a_bar_is_shown_on_a_terminal_for_long_input_alone(
    built: Path, tmp_path: Path, count: int, *, shown: bool
) -> None:
    import pty

    (tmp_path / "text.txt").write_text("ja nein\n" * count, encoding="utf-8")
    reader, writer = pty.openpty()
    with subprocess.Popen(
        [ASSEMBLE, "tag", built, tmp_path / "text.txt"], stdout=subprocess.PIPE, stderr=writer
    ) as process:
        os.close(writer)
        out, _ = process.communicate()
    os.set_blocking(reader, False)
    try:
        told = os.read(reader, 1 << 16)
    except OSError:  # nothing was written
        told = b""
    os.close(reader)
    assert process.returncode == 0
    assert out.count(b"\n\n") == count
    assert (b"tagging" in told) is shown
