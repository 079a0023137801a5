"""Inputs of fixed sizes, as some targets want them, are filled up by the run time, and such models are proven too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.core.errors import ModelError
from assembler.initialisation import write_spec
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

SIZES = {"[characters, sentences]": "[{c}, {s}]", "[total_tokens]": "[{n}]", "[sentences]": "[{s}]"}
SENTENCES = [["der", "hund", "bellt"], ["ja"], [], ["wir", "sehen", "uns", "😀", "am", "bahnhof"], ["x"] * 8]


def fixed(checkpoint: Path, folder: Path, *, sentences: int, text: bool = False) -> Path:
    spec = folder / "fixed.yaml"
    written = write_spec(str(checkpoint), folder, text=text)
    sizes = {"c": 60, "s": sentences, "n": 8 * sentences}
    for old, new in ({"[sentences, characters]": "[{s}, {c}]"} if text else SIZES).items():
        assert f"shape: {old}" in written
        written = written.replace(f"shape: {old}", f"shape: {new.format(**sizes)}")
    spec.write_text(written, encoding="utf-8")
    return spec


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_a_model_of_fixed_sizes_is_proven_and_tags_the_same(
    shop: Workshop, checkpoint: Path, built: Path, tmp_path: Path, count: int, *, text: bool
) -> None:
    result = shop.build(fixed(checkpoint, tmp_path, sentences=count, text=text))
    assert result.proven.tokens > 30
    expected = Tagger(built).tag(SENTENCES)
    for size in (1, 2, 32):
        given = Tagger(result.path).tag(SENTENCES, batch_size=size)
        assert [each.labels for each in given] == [each.labels for each in expected]
        for ours, theirs in zip(given, expected, strict=True):
            assert ours.scores == pytest.approx(theirs.scores, abs=1e-6)


def test_a_sentence_that_has_no_room_is_a_problem(shop: Workshop, checkpoint: Path, tmp_path: Path) -> None:
    tagger = Tagger(shop.build(fixed(checkpoint, tmp_path, sentences=1), proof=False).path)
    with pytest.raises(ModelError, match=r"M019 a sentence has 9 tokens; the model takes 8"):
        tagger.tag([["a"] * 9])
    with pytest.raises(ModelError, match=r"M019 a sentence has 62 characters, markers included; the model takes 60"):
        tagger.tag([["a" * 60]])


def test_a_text_that_has_no_room_is_counted_with_the_spaces_between_its_tokens(
    shop: Workshop, checkpoint: Path, tmp_path: Path
) -> None:
    tagger = Tagger(shop.build(fixed(checkpoint, tmp_path, sentences=1, text=True), proof=False).path)
    assert len(tagger.tag([["a" * 30, "b" * 29]])[0].labels) == 2
    message = r"M019 a sentence has 61 characters, spaces between tokens included; the model takes 60"
    with pytest.raises(ModelError, match=message):
        tagger.tag([["a" * 30, "b" * 30]])
