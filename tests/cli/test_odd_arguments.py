"""Odd names and closed streams: a problem or a result, never exit code 4."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assembler.cli.main import main

SPEC = "version: 1\nname: a\ngraph: {p: {kind: constant, value: 1, dtype: int64}}\noutputs: {y: p.tensor}\n"


def command(folder: Path, *words: bytes | str, after: str = "") -> subprocess.CompletedProcess[bytes]:
    shell = f'"$0" -m assembler "$@" {after}'
    return subprocess.run(
        ["/bin/bash", "-c", shell, sys.executable, *words], cwd=folder, capture_output=True, check=False, timeout=300
    )


@pytest.mark.parametrize(
    "name", [b"bad\xff.yaml", b"\xed\xa0\x80.yaml", "bad\u202e.yaml".encode(), b"line\nbreak.yaml"]
)
def test_names_that_are_no_plain_text_are_checked_and_printed(tmp_path: Path, name: bytes) -> None:
    (tmp_path / os.fsdecode(name)).write_text(SPEC, encoding="utf-8")
    done = command(tmp_path, "check", "--strict", name)
    assert (done.returncode, done.stdout) == (0, b"1 spec: no problems\n")
    (tmp_path / os.fsdecode(name)).write_text("a: 1\n", encoding="utf-8")
    for form in ("text", "json"):
        done = command(tmp_path, "check", "--format", form, name)
        assert done.returncode == 1, done.stderr
        assert b"S001" in done.stdout


@pytest.mark.parametrize("word", ["check", "graph", "inspect", "diff", "tag", "verify", "build"])
@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "a/" * 3000, "loop"])
def test_names_that_no_file_can_have_are_wrong_usage_or_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as left:
            main([word, name, *([name] if word == "diff" else [])])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.code in {1, 2}
    assert "bug of ours" not in capsys.readouterr().err


@pytest.mark.parametrize("name", [b"", b".", b"x" * 300, b"a/b", b"bad\xff", b"line\nbreak"])
def test_what_is_written_under_an_odd_name_is_a_result_or_a_problem(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "a.yaml").write_text(SPEC, encoding="utf-8")
    for words in (
        ["a.yaml", "--no-proof", "-o", name],
        ["tag", name],
        ["schema", "-o", name],
        ["page", name, "-o", "p"],
    ):
        done = command(tmp_path, *words)
        assert done.returncode in {0, 1, 2}, (words, done.stderr)
        assert b"\xff" not in done.stderr


def test_a_model_whose_name_onnx_runtime_cannot_take_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SPEC, encoding="utf-8")
    done = command(tmp_path, "a.yaml", "--no-proof", "-o", b"bad\xff.onnx")
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (
        1,
        [
            rb"bad\udcff.onnx: M009 cannot be written: the name is not UTF-8, but ONNX Runtime opens only UTF-8",
            b"    hint: choose another file with -o",
        ],
    )
    assert command(tmp_path, "a.yaml", "--no-proof", "-o", "good.onnx").returncode == 0
    (tmp_path / "good.onnx").rename(tmp_path / os.fsdecode(b"bad\xff.onnx"))
    for word in ("tag", "verify", "inspect", "page"):
        done = command(tmp_path, word, b"bad\xff.onnx", *(["-o", "page"] if word == "page" else []))
        assert (done.returncode, done.stdout) == (1, b""), done.stderr
        assert rb"bad\udcff.onnx: M010 cannot read the model: its name is not UTF-8" in done.stderr


@pytest.mark.parametrize("after", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_a_stderr_that_takes_nothing_changes_no_result(tmp_path: Path, after: str) -> None:
    (tmp_path / "a.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(f"{SPEC}sources: {{s: {{flair: none.pt}}}}\n", encoding="utf-8")
    assert command(tmp_path, "check", "a.yaml", after=after).returncode == 0
    assert command(tmp_path, "graph", "a.yaml", "-o", "a.mmd", after=after).returncode == 0
    assert (tmp_path / "a.mmd").read_text(encoding="utf-8").startswith("flowchart")
    assert command(tmp_path, "check", "b.yaml", after=after).returncode == 1
    assert command(tmp_path, "graph", "b.yaml", after=after).returncode == 1
    assert command(tmp_path, "check", "none.yaml", after=after).returncode == 2
