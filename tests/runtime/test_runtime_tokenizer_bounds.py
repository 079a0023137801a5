from __future__ import annotations

import pytest

from assembler.runtime.tokenizer_bounds import unbounded_steps


def sequence(*steps: object, inner: str = "normalizers") -> dict[str, object]:
    return {"type": "Sequence", inner: list(steps)}


def replaced(pattern: str, content: str, *, sort: str = "String") -> dict[str, object]:
    return {"type": "Replace", "pattern": {sort: pattern}, "content": content}


def nested(depth: int, step: object) -> object:
    for _ in range(depth):
        step = sequence(step, step)
    return step


XLM_ROBERTA = sequence({"type": "Precompiled", "precompiled_charsmap": "AAAA"}, replaced(" {2,}", " ", sort="Regex"))
ALBERT = sequence(
    replaced("``", '"'), replaced("''", '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
    {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
)  # fmt: skip


@pytest.mark.parametrize("normalizer", [None, {"type": "BertNormalizer", "lowercase": True}, XLM_ROBERTA, ALBERT])
def test_the_steps_of_released_encoders_are_taken(normalizer: object) -> None:
    pieces = sequence({"type": "WhitespaceSplit"}, {"type": "Metaspace"}, inner="pretokenizers")
    assert unbounded_steps({"normalizer": normalizer, "pre_tokenizer": pieces}) is None


@pytest.mark.parametrize(
    "normalizer",
    [
        sequence(*[replaced("a", "aa")] * 10),
        sequence(*[replaced("a?", "aa", sort="Regex")] * 10),
        replaced("a", "b" * 1001),
        sequence(sequence(replaced("a", "b" * 40)), replaced("b", "c" * 40)),
        sequence({"type": "NFKD"}, replaced("a", "ﷺ"), {"type": "NFKC"}, replaced("b", "ﷺ"), {"type": "NFKD"}),
        {"type": "Precompiled", "precompiled_charsmap": "A" * 1_000_001},
    ],
)
def test_steps_that_multiply_a_text_are_refused(normalizer: object) -> None:
    assert unbounded_steps({"normalizer": normalizer}) == "its normalizer can make a text more than 1000 times as long"


@pytest.mark.parametrize("step", [nested(40, {"type": "NFC"}), sequence(*[{"type": "NFC"}] * 17)])
def test_more_steps_than_any_tokeniser_has_are_refused(step: object) -> None:
    assert unbounded_steps({"normalizer": step}) == "its normalizer has more than 16 steps"


def test_pieces_that_are_written_byte_by_byte_again_and_again_are_refused() -> None:
    steps = sequence(*[{"type": "ByteLevel"}] * 10, inner="pretokenizers")
    assert unbounded_steps({"pre_tokenizer": steps}) == "its pre_tokenizer can make a text more than 1000 times as long"


@pytest.mark.parametrize("odd", [None, [], "x", 3, {"normalizer": 7}, {"normalizer": {"type": ["Replace"]}},
                                 {"normalizer": {"type": "Replace", "pattern": 3, "content": 4}}])  # fmt: skip
def test_what_is_no_tokeniser_is_left_to_the_library(odd: object) -> None:
    assert unbounded_steps(odd) is None


@pytest.mark.parametrize(
    "normalizer",
    [
        replaced("a", "b" * 1000),
        replaced("a" * 500, "b" * 2000),  # four times as long
        replaced("", "b" * 1000),
        {"type": "Precompiled", "precompiled_charsmap": "A" * 1_000_000},
        sequence(*[{"type": "NFC"}] * 15),
        sequence(*[{"type": ["odd"]}] * 12),
        {"type": "Other", "normalizers": [replaced("a", "b" * 2000)]},
    ],
)
def test_steps_at_their_bounds_are_taken(normalizer: object) -> None:
    assert unbounded_steps({"normalizer": normalizer}) is None


def test_a_step_that_is_none_hides_no_step_behind_it() -> None:
    found = unbounded_steps({"normalizer": sequence(3, replaced("a", "b" * 1001))})
    assert found == "its normalizer can make a text more than 1000 times as long"
