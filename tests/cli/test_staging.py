"""A file that another writer sweeps away before it is locked is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.core import atomic_files as staging
from assembler.core.atomic_files import staged

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


@pytest.mark.parametrize("locked", [True, False], ids=["swept", "being swept"])
def test_a_file_that_is_swept_before_its_lock_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, locked: bool
) -> None:
    lock = staging._lock
    swept: list[str] = []

    def late(stream: BinaryIO) -> bool:
        if not swept:
            swept.extend(path.name for path in tmp_path.glob(".*.partial"))
            (tmp_path / swept[0]).unlink()
            return lock(stream) and locked
        return lock(stream)

    monkeypatch.setattr(staging, "_lock", late)
    with staged(tmp_path / "model.onnx") as stage:
        assert stage.path.name not in swept
        stage.stream.write(b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"data"


def test_a_file_system_without_locks_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_stream: BinaryIO) -> bool:
        raise OSError

    monkeypatch.setattr(staging, "_lock", refuse)
    left = tmp_path / ".model.onnx.00000000.partial"
    left.write_bytes(b"perhaps another's")
    with staged(tmp_path / "model.onnx") as stage:
        stage.stream.write(b"data")
    assert (tmp_path / "model.onnx").read_bytes() == b"data"
    assert left.exists()
