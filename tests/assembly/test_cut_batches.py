"""Where batches are cut because a long sentence would widen all others, nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler import assemble
from assembler.runtime import Tagger, batching

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = [
    ["Die", "Katze", "schläft", "."],
    ["x" * 900, "und", "ja"],
    [],
    ["Wir"] * 60,
    ["ja"],
    ["Der", "y" * 400, "Hund"],
    ["nein", "nein", "."],
    ["Haus"] * 7,
]


@pytest.mark.parametrize("name", ["demo-pos", "demo-text"])
@pytest.mark.parametrize("cells", [1, 40, 1000, 2500])
def test_cut_batches_give_the_same_in_the_callers_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, cells: int
) -> None:
    tagger = Tagger(assemble(ROOT / "specs" / f"{name}.yaml", tmp_path / "model.onnx", proof=False).path)
    whole = tagger.tag(SENTENCES, batch_size=8)
    runs: list[int] = []
    real = batching._within

    def within(batch, sentences, _cells):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        parts = [*real(batch, sentences, cells)]
        runs.append(len(parts))
        return parts

    monkeypatch.setattr(batching, "_within", within)
    cut = tagger.tag(SENTENCES, batch_size=8)
    assert runs[0] > 1
    assert [each.tokens for each in cut] == [tuple(tokens) for tokens in SENTENCES]
    assert [each.labels for each in cut] == [each.labels for each in whole]
    for one, other in zip(cut, whole, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)
    assert [each.labels for each in tagger.stream(SENTENCES, batch_size=8)] == [each.labels for each in whole]
