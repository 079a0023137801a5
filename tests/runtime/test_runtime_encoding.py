"""The arrays of a batch have the layouts that hosts already fill by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from assembler.runtime.encoding import encode
from assembler.runtime.interface import Interface

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Encode = Callable[..., dict[str, NDArray[np.int64]]]

ITEMS = ("<unk>", "\n", " ", "a", "b", "c", "i", "\u0307")
INPUTS = [
    {"name": "characters", "fill": "characters", "language_model": "lm"},
    {"name": "indices", "fill": "indices", "language_model": "lm"},
    {"name": "characterLengths", "fill": "character_lengths", "language_model": "lm"},
    {"name": "lengths", "fill": "token_lengths"},
    {"name": "striping", "fill": "striping", "parts": 2},
]


@pytest.fixture
def encode_with(metadata: Callable[..., dict[str, dict[str, object]]]) -> Encode:
    def run(sentences: list[list[str]], **changes: object) -> dict[str, NDArray[np.int64]]:
        entries = metadata(items=ITEMS, **changes)
        interface = entries["interface"] | {"inputs": INPUTS}
        return encode(Interface.from_metadata(interface, entries["dictionaries"]), sentences)

    return run


def test_characters_are_time_first_and_padded_at_the_end(encode_with: Encode) -> None:
    characters = encode_with([["ab", "c"], ["a"]], padding=5)["characters"]
    assert characters.T.tolist() == [[1, 3, 4, 2, 5, 2], [1, 3, 2, 5, 5, 5]]
    assert characters.flags.c_contiguous


def test_backward_text_is_reversed_between_its_markers(encode_with: Encode) -> None:
    characters = encode_with([["ab", "c"]], direction="backward", start_marker="\nc")["characters"]
    assert characters.T.tolist() == [[1, 5, 5, 2, 4, 3, 2]]


def test_an_empty_start_marker_is_no_character(encode_with: Encode) -> None:
    arrays = encode_with([["ab", "c"]], start_marker="")
    assert arrays["characters"].T.tolist() == [[3, 4, 2, 5, 2]]
    assert arrays["indices"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("direction", "with_whitespace", "positions"),
    [("forward", True, [3, 5]), ("forward", False, [2, 4]), ("backward", True, [5, 2]), ("backward", False, [4, 1])],
)
def test_positions_stand_behind_a_token_or_at_its_end(
    encode_with: Encode, direction: str, positions: list[int], *, with_whitespace: bool
) -> None:
    arrays = encode_with([["ab", "c"]], direction=direction, with_whitespace=with_whitespace)
    assert arrays["indices"].tolist() == positions


def test_indices_are_sentence_major_and_padded_with_the_sentence_itself(encode_with: Encode) -> None:
    arrays = encode_with([["ab", "c"], ["a"], ["b", "b"]], with_whitespace=True)
    assert arrays["indices"].tolist() == [3 * 3 + 0, 5 * 3 + 0, 2 * 3 + 1, 0 * 3 + 1, 2 * 3 + 2, 4 * 3 + 2]


def test_character_lengths_count_the_markers_and_lengths_the_tokens(encode_with: Encode) -> None:
    arrays = encode_with([["ab", "c"], ["a"]], start_marker="\n\n\n")
    assert arrays["characterLengths"].tolist() == [8, 5]
    assert arrays["lengths"].tolist() == [2, 1]


def test_striping_takes_a_row_of_each_part_in_turn(encode_with: Encode) -> None:
    assert encode_with([["a", "b", "c", "a"]])["striping"].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert encode_with([["a", "b"], ["c"]])["striping"].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_lowercasing_lengthens_the_text_but_moves_no_position(encode_with: Encode) -> None:
    arrays = encode_with([["İ", "B"]], lowercase=True)
    assert arrays["characters"].T.tolist() == [[1, 6, 7, 2, 4, 2]]
    assert arrays["characterLengths"].tolist() == [6]
    assert arrays["indices"].tolist() == [1, 3]


def test_every_array_is_int64_and_stands_in_the_order_of_the_interface(encode_with: Encode) -> None:
    arrays = encode_with([["ab", "c"], ["a"]])
    assert list(arrays) == [entry["name"] for entry in INPUTS]
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int64)}
    assert all(array.flags.c_contiguous for array in arrays.values())


@pytest.mark.parametrize("tokens", [[], ["a", "", "b"]])
def test_what_flair_would_not_tag_is_refused_with_its_number(encode_with: Encode, tokens: list[str]) -> None:
    with pytest.raises(ValueError, match=r"sentence 1: expected at least one token and no empty ones, got \["):
        encode_with([["a"], tokens])


def test_a_batch_without_sentences_is_refused(encode_with: Encode) -> None:
    with pytest.raises(ValueError, match="expected at least one sentence, got none"):
        encode_with([])
