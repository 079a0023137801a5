"""Spans are those of flair, quirks included."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.runtime import Span, decode_spans

TAGS = [
    *("O", "", "_", "O-", "-", "<unk>", "<START>", "<STOP>", "NOUN", "B-S-", "I-S-", "I-", "B-", "x"),
    *(f"{prefix}-{name}" for prefix in "BISE" for name in ("PER", "LOC", "ORG")),
]


def _spans(*labels: str) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in decode_spans(labels, [1.0] * len(labels))]


def test_a_span_ends_before_an_outside_tag_and_before_the_next_start() -> None:
    assert _spans("B-PER", "I-PER", "O", "S-LOC", "B-LOC", "E-LOC") == [(0, 2, "PER"), (3, 4, "LOC"), (4, 6, "LOC")]


def test_no_tokens_and_outside_tags_give_no_spans() -> None:
    assert _spans() == []
    assert _spans("O", "_", "", "O-") == []


def test_an_inside_tag_of_another_class_starts_a_span_and_an_end_tag_does_not() -> None:
    assert _spans("B-PER", "I-LOC") == [(0, 1, "PER"), (1, 2, "LOC")]
    assert _spans("B-PER", "E-LOC") == [(0, 2, "PER")]


def test_end_and_single_tags_do_not_end_a_span() -> None:
    assert _spans("B-PER", "E-PER", "I-PER") == [(0, 3, "PER")]
    assert _spans("S-LOC", "I-LOC", "E-LOC") == [(0, 3, "LOC")]


def test_a_tag_without_prefix_is_a_span_under_the_rest_of_its_name() -> None:
    assert _spans("<unk>", "O", "NOUN", "O", "<START>") == [(0, 1, "nk>"), (2, 3, "UN"), (4, 5, "TART>")]


def test_the_majority_names_a_span_and_its_first_token_breaks_a_tie() -> None:
    assert _spans("B-PER", "E-LOC", "E-LOC") == [(0, 3, "LOC")]
    assert _spans("B-PER", "E-LOC") == [(0, 2, "PER")]
    assert _spans("E-PER", "E-LOC") == [(0, 2, "PER")]


def test_the_score_of_a_span_is_the_mean_of_its_tokens() -> None:
    assert decode_spans(["O", "B-PER", "I-PER"], [0.1, 0.5, 1.0]) == (Span(1, 3, "PER", 0.75),)


@given(st.lists(st.tuples(st.sampled_from(TAGS), st.floats(0, 1))))
def test_spans_and_their_scores_are_those_of_flair(tagged: list[tuple[str, float]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pytest.importorskip("flair.data")
    labels, scores = [label for label, _ in tagged], [score for _, score in tagged]
    expected = [
        Span(members[0], members[-1] + 1, label, score)
        for members, score, label in data.get_spans_from_bio(list(labels), scores)
    ]
    assert list(decode_spans(labels, scores)) == expected
    assert all(members == list(range(members[0], members[-1] + 1)) for members, _, _ in data.get_spans_from_bio(labels))
