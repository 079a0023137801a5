"""Sentences that share lanes: their places, and that each reads the same as alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assembler.runtime import Alphabet, Interface, LanguageModel, encode
from assembler.runtime.context import InContext
from assembler.runtime.fill.batch import Batch
from assembler.runtime.fill.of_language_models import CharacterLengths, Characters, Indices
from assembler.runtime.fill.of_sentences import TokenLengths
from assembler.runtime.packing import arrange, can_pack

LETTERS = ("<unk>", "\n", " ", "a", "b", "c", "é")
RESET = len(LETTERS)
TOKENS = st.lists(st.text("abcé", min_size=1, max_size=9), min_size=1, max_size=9)


def interface(reset: int | None = RESET) -> Interface:
    models = [
        LanguageModel(
            name=name,
            backward=backward,
            start_marker=marker,
            end_marker=" ",
            with_whitespace=whitespace,
            lowercase=False,
            tokenized=True,
            padding=2,
            alphabet=Alphabet(LETTERS),
            reset=reset,
        )
        for name, backward, marker, whitespace in (("fw", False, "\n", True), ("bw", True, "\n\n", False))
    ]
    inputs = [
        entry for model in models for entry in (Characters(model.name, model), Indices(f"{model.name}_rows", model))
    ]
    lengths = [CharacterLengths("character_lengths", models[0]), TokenLengths("lengths")]
    return Interface((*inputs, *lengths), (), tuple(models), (), (), None)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=200))
def test_lanes_hold_every_text_once_with_a_place_for_the_reset_between(lengths: list[int]) -> None:
    lanes = arrange(lengths)
    assert 1 <= lanes.count <= 72
    taken = np.zeros((lanes.count, lanes.length), dtype=int)
    for lane, begin, length in zip(lanes.lane, lanes.begin, lengths, strict=True):
        taken[lane, begin : begin + length] += 1
        if begin:
            assert begin > 1
            assert taken[lane, begin - 1] == 0
    assert taken.max() == 1


@given(st.lists(st.integers(20, 120), min_size=128, max_size=128))
def test_many_texts_leave_little_of_the_lanes_empty(lengths: list[int]) -> None:
    lanes = arrange(lengths)
    assert sum(lengths) / (lanes.count * lanes.length) > 0.7


def test_few_texts_have_a_lane_each() -> None:
    lanes = arrange([5, 9, 7])
    assert lanes.count == 3
    assert lanes.begin.tolist() == [0, 0, 0]


def test_short_texts_beside_a_long_one_share_few_lanes() -> None:
    lanes = arrange([5] * 60 + [90])
    assert lanes.length == 90
    assert lanes.count == 6


@given(st.lists(TOKENS, min_size=1, max_size=60))
def test_each_token_is_read_behind_the_characters_that_stand_before_it_alone(sentences: list[list[str]]) -> None:
    face = interface()
    plain = encode(face, sentences)
    lanes = face.filled(Batch([InContext(tuple(tokens)) for tokens in sentences], lanes=True))
    for name in ("fw", "bw"):
        assert history(lanes[name], lanes[f"{name}_rows"]) == history(plain[name], plain[f"{name}_rows"])
    assert lanes["lengths"].tolist() == plain["lengths"].tolist()
    assert lanes["character_lengths"].tolist() == plain["character_lengths"].tolist()


def history(ids: np.ndarray, rows: np.ndarray) -> list[list[int]]:
    """Return for each row what a language model has read when it is there: all since the last reset."""
    columns = ids.shape[1]
    found = []
    for row in rows.tolist():
        read = ids[: row // columns + 1, row % columns].tolist()
        last = max((place for place, character in enumerate(read) if character == RESET), default=-1)
        found.append(read[last + 1 :])
    return found


def test_a_model_without_reset_characters_is_not_packed() -> None:
    assert can_pack(interface())
    assert not can_pack(interface(None))
    assert not can_pack(replace(interface(), language_models=()))
