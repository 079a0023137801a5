"""Text that breaks assumptions: every tag and score is still flair's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flair.models import SequenceTagger

    from tests.assembly.conftest import Workshop

HARD = {
    "one token": ["hund"],
    "one character": ["a"],
    "an unknown character": ["Ω"],
    "emoji": ["😀", "👩‍👩‍👧‍👦", "a😀b", "🏳️‍🌈"],
    "combining marks": ["e\u0301te\u0301", "\u0301", "zu\u0308rich"],
    "unknown scripts": ["Привет", "你好", "שלום", "हिन्दी"],
    "5,000 characters in one token": ["ja", "x" * 5000, "nein"],
    "5,000 characters in many tokens": ["wort"] * 1000,
    "zero width": ["\u200b", "\ufeffx", "\u00ad"],
    "white space inside": ["a\tb", "c\nd", " ", "\u00a0"],
    "half of a surrogate pair": ["\ud83d", "\udc00x"],
    "lower-casing that lengthens": ["İstanbul", "İİ", "ẞ", "ǅ"],
    "the start marker": ["\n", "a\n"],
    "many tokens": list("abcdefghijklmnopqrstuvwxyz.äöü"),
}


def assert_flairs_own(
    shop: Workshop, tagger: SequenceTagger, model: Path, sentences: Sequence[Sequence[str]], size: int
) -> None:
    expected = shop.flair_tags(tagger, sentences)
    given = Tagger(model).tag(sentences, batch_size=size)
    assert [list(row.labels) for row in given] == [[label for label, _ in row] for row in expected]
    for row, scores in zip(given, expected, strict=True):
        np.testing.assert_allclose(row.scores, [score for _, score in scores], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", HARD)
def test_a_hard_sentence_alone_has_flairs_tags(shop: Workshop, tagger: SequenceTagger, built: Path, name: str) -> None:
    assert_flairs_own(shop, tagger, built, [HARD[name]], 1)


@pytest.mark.parametrize("size", [1, 2, 33])
def test_hard_sentences_together_have_flairs_tags(
    shop: Workshop, tagger: SequenceTagger, built: Path, size: int
) -> None:
    short = [sentence for sentence in HARD.values() if sum(map(len, sentence)) < 200]
    sentences = [short[index % len(short)] for index in range(33)]
    assert_flairs_own(shop, tagger, built, sentences, size)


def test_empty_input_has_empty_results(built: Path) -> None:
    tagger = Tagger(built)
    assert tagger.tag([]) == []
    assert [row.labels for row in tagger.tag([[], [""], ["", ""]])] == [(), (), ()]
    given = tagger.tag([[], ["hund"], [""], ["", "bellt", ""]])
    assert [len(row.labels) for row in given] == [0, 1, 0, 1]
    assert given[3].tokens == ("bellt",)


def test_the_order_of_the_sentences_does_not_matter(built: Path) -> None:
    tagger = Tagger(built)
    sentences = [["der"] * count for count in (1, 5, 2, 9, 3)]
    there = tagger.tag(sentences)
    back = tagger.tag(sentences[::-1])[::-1]
    assert [row.labels for row in there] == [row.labels for row in back]
    np.testing.assert_allclose(
        [s for row in there for s in row.scores], [s for row in back for s in row.scores], rtol=0, atol=1e-6
    )


def test_of_equal_scores_the_first_label_wins_on_both_sides(shop: Workshop, tmp_path: Path) -> None:
    tagger = shop.tagger(seed=6)
    with torch.no_grad():
        tagger.linear.weight[:] = 0  # sums of other weights would round differently from label to label
        tagger.linear.bias[:] = torch.tensor([-9.0, 5.0, 5.0, -9.0, 5.0])
    shop.save(tagger, tmp_path / "tagger.pt")
    model = shop.build(shop.spec(tmp_path)).path
    sentences = [["der", "hund"], ["ja"], ["katze", "schläft", "."]]
    assert_flairs_own(shop, tagger, model, sentences, 32)
    given = Tagger(model).tag(sentences)
    assert {label for row in given for label in row.labels} == {"VERB"}
    assert all(score <= 1 / 3 + 1e-6 for row in given for score in row.scores)


@pytest.mark.parametrize(
    ("marker", "with_whitespace", "lowercase"),
    [("\n", False, False), ("", True, False), ("ab", True, False), ("\n", True, True), ("ß😀", False, True)],
)
def test_every_way_of_a_language_model_to_look_at_text(
    shop: Workshop, tmp_path: Path, marker: str, *, with_whitespace: bool, lowercase: bool
) -> None:
    models = [
        shop.language_model(forward=forward, seed=seed, marker=marker) for seed, forward in ((1, True), (2, False))
    ]
    stack = shop.embeddings(*models, with_whitespace=with_whitespace, lowercase=lowercase)
    tagger = shop.tagger(stack)
    torch.save(tagger, tmp_path / "tagger.pt")
    from assembler.initialisation import write_spec

    spec = shop.spec(tmp_path, write_spec(str(tmp_path / "tagger.pt"), tmp_path, trust=True))
    model = shop.build(spec, trust=True).path
    sentences = [["Der", "HUND", "bellt"], ["a"], ["😀", "ÄÖÜ"], ["e\u0301te\u0301", "wort", "."]]
    if with_whitespace or marker:
        sentences.append(["İstanbul", "schläft"])
    assert_flairs_own(shop, tagger, model, sentences, 32)


def test_a_tagger_of_one_language_model_needs_no_concat(shop: Workshop, tmp_path: Path) -> None:
    tagger = shop.tagger(shop.embeddings(shop.language_model(seed=3)))
    shop.save(tagger, tmp_path / "tagger.pt")
    from assembler.initialisation import write_spec

    text = write_spec(str(tmp_path / "tagger.pt"), tmp_path)
    assert "kind: concat" not in text
    assert_flairs_own(shop, tagger, shop.build(shop.spec(tmp_path, text)).path, [["der", "hund"], ["ja"]], 32)
