"""What decoders are tried on, and what plain Python says they must give."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from assembler.interface.language_model_inputs import Characters
from assembler.proof import decoder_cases
from assembler.proof.decoder_cases import LONGEST, class_sequences, decision_cases, following, path_cases
from assembler.proof.text_cases import character_cases, code_points, found_tokens, known, looked_up, token_texts
from assembler.runtime.text import NULL


@pytest.mark.parametrize("count", [1, 2, 5, 48])
def test_each_class_follows_each(count: int) -> None:
    every = {(one, other) for one in range(count) for other in range(count)}
    assert set(pairwise(following(count))) == every
    assert len(following(count)) == count**2 + 1  # none twice
    assert {pair for row in class_sequences(count) for pair in pairwise(row)} == every
    lengths = [len(row) for row in class_sequences(count)]
    assert {0, 1, 2, 3, LONGEST} <= set(lengths)
    assert max(lengths) == LONGEST


def test_of_many_classes_each_is_met_and_some_follow_each_other() -> None:
    path = following(500)
    assert set(path) == set(range(500))
    assert len(set(pairwise(path))) >= 48**2
    assert len(path) == 500 - 48 + 48**2 + 1


def test_a_crf_of_many_labels_is_tried_on_as_much_as_takes_a_moment() -> None:
    transitions = np.random.default_rng(0).normal(0, 1, (700, 700)).astype(np.float32)
    batches = [*path_cases(transitions, 0, 1)]
    assert 40 <= sum(each.lengths.sum() for each in batches) <= decoder_cases._WORK // 700**2
    assert all(len(each.lengths) == 1 for each in batches)


def test_emissions_are_the_same_on_every_machine() -> None:
    emissions = next(decision_cases(3))
    assert emissions.values[0, 0].tolist() == [2.625, 3.4375, 2.3125]
    assert emissions.lengths.tolist() == [3, 1, 40, 2, 17, 1, 5, 2, 29]
    assert (emissions.values[1, 1:] == 7).all()  # behind the end


def test_emissions_are_equal_or_clearly_different_and_never_all_minus_infinity() -> None:
    ties = infinite = large = 0
    for each in decision_cases(4):
        for row, length in zip(each.values, each.lengths, strict=True):
            for token in row[:length]:
                first, second = sorted(token.tolist(), reverse=True)[:2]
                assert np.isfinite(first)
                assert first == second or first - second >= 1 / 16
                ties += first == second
                infinite += np.isinf(token).any()
                large += abs(first) > 1e20
    assert min(ties, infinite, large) > 10


def test_the_paths_of_a_crf_hang_on_each_of_its_transitions() -> None:
    transitions = np.random.default_rng(1).normal(0, 2, (4, 4))
    rows = [
        row[:length]
        for each in path_cases(transitions, 2, 3)
        for row, length in zip(each.values, each.lengths, strict=True)
    ]
    two = [row for row in rows[-16:] if len(row) == 2]
    left = [row for row in two if row[0].max() > 10]
    for row in left:  # behind one class, what a transition adds is taken out again
        assert np.abs(row[1] + transitions[:, row[0].argmax()]).max() < 5
    assert {int(row[0].argmax()) for row in left} == set(range(4))
    before = [row for row in two if row[1].max() > 10]
    for row in before:
        assert np.abs(row[0] + transitions[row[1].argmax()] + transitions[:, 2]).max() < 5
    assert {int(row[1].argmax()) for row in before} == set(range(4))


def test_tokens_are_found_between_spaces_and_padding() -> None:
    found = found_tokens([" ab\0c  ", "", "d"])
    assert found["text"].tolist() == [[97, 98, 32, 99], [0, 0, 0, 0], [100, 0, 0, 0]]
    assert found["sizes"].tolist() == [4, 0, 1]
    assert found["starts"].tolist() == [0, 3, 0, 0, 0, 0]
    assert found["ends"].tolist() == [2, 4, 0, 0, 1, 0]
    assert (found["counts"].tolist(), found["lengths"].tolist()) == ([2, 0, 1], [2, 1, 1])


def test_each_token_is_found_behind_all_before_it() -> None:
    found = found_tokens(["a  bc d"])
    assert (found["starts"].tolist(), found["ends"].tolist()) == ([0, 2, 5], [1, 4, 6])
    assert {array.dtype.name for array in found.values()} == {"int64"}


def test_no_text_has_the_tokens_of_an_empty_one_and_no_count() -> None:
    found = found_tokens([])
    assert {port: array.tolist() for port, array in found.items()} == {
        "text": [[0]], "sizes": [0], "starts": [0], "ends": [0], "counts": [], "lengths": [1]
    }  # fmt: skip


def test_texts_of_every_kind_are_tried() -> None:
    texts = [text for batch in token_texts() for text in batch]
    assert [] in token_texts()
    assert {"", " ", "\0", " a", "a ", "a  b"} <= set(texts)
    assert code_points(["a", ""], 3).tolist() == [[97, 0, 0], [0, 0, 0]]
    assert code_points(["ab"], 1).tolist() == [[97, 98]]


ABOUT = Characters(
    ("<unk>", "a", "b", "\0", "一"), "backward", "\n", " ", with_whitespace=True, lowercase=False, padding=4
)


def test_each_character_of_a_dictionary_is_looked_up_beside_its_neighbours() -> None:
    codes = looked_up(ABOUT)
    assert codes[:4] == [97, 98, NULL, 0x4E00]
    assert {0xFF, 0x100, 0x4DFF, 0x4F00, 0x4E01, 32, 0xD800, 0xDFFF, 0x10FFFF} <= set(codes)
    assert len(codes) == len(set(codes))
    assert known(ABOUT) == (4, 4)


def test_a_text_is_read_between_its_markers_and_backwards() -> None:
    (inputs, expected), *_ = [*character_cases(ABOUT)][1:]
    assert inputs["text"][0, :3].tolist() == [97, 98, NULL]
    assert expected["lengths"][:2].tolist() == [5, 2]
    assert expected["characters"][:7, 0].tolist() == [0, 3, 2, 1, 0, 4, 4]
    assert expected["characters"][:4, 1].tolist() == [0, 0, 4, 4]
