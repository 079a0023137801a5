"""Sentences run with others of like length, and bad ones are named."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from assembler.runtime.batching import batches, even_size, read_sentences, windows
from assembler.runtime.context import InContext


def test_batches_hold_the_longest_sentences_first_and_equal_ones_in_order() -> None:
    sentences = [("a",), ("a", "b"), ("c",), ("a", "b", "c"), ("d", "e")]
    assert list(batches([InContext(tokens) for tokens in sentences], 2)) == [[3, 1], [4, 0], [2]]


def test_sentences_without_tokens_are_in_no_batch() -> None:
    assert list(batches([InContext(()), InContext(("a",)), InContext(())], 2)) == [[1]]
    assert list(batches([InContext(()), InContext(())], 2)) == []


def test_empty_tokens_are_dropped_and_blank_ones_kept() -> None:
    assert list(read_sentences([["", "a", " ", ""], [""], ("\t",)])) == [("a", " "), (), ("\t",)]


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("Er geht", "sentence 2: expected a list of tokens, got str: 'Er geht'"),
        (None, "sentence 2: expected a list of tokens, got NoneType: None"),
        (b"Er", "sentence 2, token 0: expected a string, got int: 69"),
    ],
)
def test_a_sentence_that_is_no_list_is_named(sentence: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        list(read_sentences([["a"], ["b"], sentence]))


def test_an_array_is_no_list_of_tokens() -> None:
    with pytest.raises(TypeError, match="sentence 0: expected a list of tokens, got ndarray"):
        list(read_sentences([np.array(["a"])]))


@pytest.mark.parametrize(("token", "got"), [(3, "int: 3"), (None, "NoneType: None"), (["b"], r"list: \['b'\]")])
def test_a_token_that_is_no_string_is_named(token: object, got: str) -> None:
    with pytest.raises(TypeError, match=f"sentence 1, token 2: expected a string, got {got}"):
        list(read_sentences([["a"], ["a", "", token]]))


def test_a_text_in_place_of_the_sentences_is_refused() -> None:
    with pytest.raises(TypeError, match="sentences: expected a list of lists of tokens, got the string 'Er geht'"):
        read_sentences("Er geht")


@pytest.mark.parametrize(("given", "got"), [(None, "NoneType: None"), (3, "int: 3")])
def test_what_is_no_list_in_place_of_the_sentences_is_refused(given: object, got: str) -> None:
    with pytest.raises(TypeError, match=f"sentences: expected a list of lists of tokens, got {got}"):
        read_sentences(given)


def test_a_message_does_not_repeat_a_long_text() -> None:
    with pytest.raises(TypeError) as caught:
        list(read_sentences(["x" * 100_000]))
    assert len(str(caught.value)) < 200


def test_windows_read_no_further_than_they_must() -> None:
    source = count()
    read = windows(read_sentences([str(number)] for number in source), 3)
    assert next(read) == [("0",), ("1",), ("2",)]
    assert next(source) == 3


def test_windows_name_a_bad_sentence_by_its_number_in_the_whole() -> None:
    read = windows(read_sentences([["a"], ["b"], "c"]), 2)
    next(read)
    with pytest.raises(TypeError, match="sentence 2: expected a list of tokens, got str: 'c'"):
        next(read)


def test_batches_that_share_lanes_are_equally_large() -> None:
    assert [even_size(count, 128) for count in (0, 1, 128, 129, 799)] == [128, 1, 128, 65, 115]


def test_one_long_text_does_not_widen_its_batch() -> None:
    short, long = InContext(("ab", "c")), InContext(("x" * 100_000,))
    found = [*batches([short, long, short, short], 32)]
    assert found == [[0, 2, 3], [1]]
    assert [*batches([long, long], 32, cells=10)] == [[0], [1]]


@pytest.mark.parametrize("cells", [1, 20, 1000])
def test_batches_that_are_cut_hold_every_sentence_once(cells: int) -> None:
    sentences = [InContext(("a" * (number % 7 + 1),) * (number % 5)) for number in range(100)]
    found = [*batches(sentences, 8, cells)]
    assert sorted(number for batch in found for number in batch) == [n for n in range(100) if n % 5]
    for batch in found:
        widest = max(sum(map(len, sentences[n].tokens)) + len(sentences[n].tokens) for n in batch)
        assert len(batch) == 1 or len(batch) * widest <= cells


def test_a_batch_of_exactly_as_many_characters_as_allowed_is_not_cut() -> None:
    two = InContext(("abcd",))  # and a space: five characters
    assert [*batches([two] * 4, 32, cells=20)] == [[0, 1, 2, 3]]
    assert [*batches([two] * 5, 32, cells=20)] == [[0, 1, 2, 3], [4]]
    assert [*batches([two] * 5, 32, cells=19)] == [[0, 1, 2], [3, 4]]


def test_sentences_of_a_cut_batch_stay_in_the_order_of_the_batch() -> None:
    sentences = [InContext(("a",)), InContext(("abcdef", "x")), InContext(("a", "b", "c")), InContext(("b", "a"))]
    # most tokens first: 2, 1, 3, 0; their widths are 6, 9, 4 and 2
    assert [*batches(sentences, 32, cells=18)] == [[2, 3, 0], [1]]
    short = InContext(("a",))
    sentences = [short, InContext(("b",) * 10), short, InContext(("c",) * 11), short, short]
    assert [*batches(sentences, 32, cells=44)] == [[0, 2, 4, 5], [3, 1]]
