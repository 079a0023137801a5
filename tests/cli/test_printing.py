"""What a model says of itself cannot steer a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler import assemble
from assembler.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """version: 1
name: fine
description: "{}"
graph: {{one: {{kind: constant, value: [1], dtype: int64}}}}
outputs: {{y: one.tensor}}
"""


def built(folder: Path, description: str) -> Path:
    folder.mkdir()
    (folder / "spec.yaml").write_text(SPEC.format(description), encoding="utf-8")
    return assemble(folder / "spec.yaml", folder / "model.onnx").path


def printed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_inspect_and_diff_escape_what_steers_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil, plain = built(tmp_path / "a", r"\e]0;evil\a"), built(tmp_path / "b", "plain")
    capsys.readouterr()
    shown = printed(capsys, "inspect", evil)
    assert "\n\\x1b]0;evil\\x07\n" in shown
    assert not set(shown) & {"\x1b", "\x07"}
    difference = printed(capsys, "diff", evil, plain)
    assert "evil" in difference
    assert not set(difference) & {"\x1b", "\x07"}
