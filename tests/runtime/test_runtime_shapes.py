"""Sizes that inputs must have: what they say of a batch, and which of them no run could fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from assembler.core.errors import ModelError
from assembler.runtime import InContext, Interface
from assembler.runtime.cutting import Cut, Piece
from assembler.runtime.shapes import FixedShapes

if TYPE_CHECKING:
    from .conftest import MakeInterface

FREE = {
    "forward": (None, None),
    "forwardIndices": (None,),
    "characterLengths": (None,),
    "lengths": (None,),
    "striping": (None,),
}
BATCH = [InContext(("ab", "c")), InContext(("x",))]


def shapes(metadata: MakeInterface, **given: tuple[int | None, ...]) -> FixedShapes:
    entries = metadata()
    entries["interface"]["inputs"].append({"name": "striping", "fill": "striping", "parts": 2})
    interface = Interface.from_metadata(entries["interface"], entries["dictionaries"])
    return FixedShapes.declared(interface, FREE | given, "m.onnx")


def test_free_sizes_change_nothing(metadata: MakeInterface) -> None:
    free = shapes(metadata)
    assert (free.sentences, free.tokens, free.most(32), free.whole(BATCH)) == (None, None, 32, BATCH)
    assert {name: array.shape for name, array in free.filled(BATCH).items()} == {
        "forward": (6, 2), "forwardIndices": (4,), "characterLengths": (2,), "lengths": (2,), "striping": (8,),
    }  # fmt: skip


def test_inputs_that_are_free_follow_those_that_are_not(metadata: MakeInterface) -> None:
    fixed = shapes(metadata, forward=(9, 3), forwardIndices=(12,))
    assert (fixed.sentences, fixed.tokens, fixed.most(32), fixed.most(2)) == (3, 4, 3, 2)
    assert {name: array.shape for name, array in fixed.filled(fixed.whole(BATCH)).items()} == {
        "forward": (9, 3), "forwardIndices": (12,), "characterLengths": (3,), "lengths": (3,), "striping": (24,),
    }  # fmt: skip
    assert fixed.filled(fixed.whole(BATCH))["forwardIndices"].tolist() == [6, 12, 0, 0, 4, 1, 1, 1, 5, 2, 2, 2]


def test_interleaved_rows_fix_the_tokens(metadata: MakeInterface) -> None:
    assert shapes(metadata, lengths=(2,), striping=(20,)).tokens == 5


def test_rows_of_a_fixed_number_without_sentences_run_one_by_one(metadata: MakeInterface) -> None:
    fixed = shapes(metadata, forwardIndices=(7,))
    assert (fixed.most(32), fixed.tokens) == (1, 7)


def test_which_sentences_have_room(metadata: MakeInterface) -> None:
    fixed = shapes(metadata, forward=(7, 3), forwardIndices=(9,))
    sentences = [InContext(tokens) for tokens in (("abcde",), ("abcdef",), ("a", "b", "c"), ("a", "b", "c", "d"))]
    assert fixed.have_room(sentences) == [True, False, True, False]
    assert fixed.have_room([]) == []
    with pytest.raises(ModelError, match=r"M019 a sentence has 8 characters, markers included; the model takes 7"):
        fixed.filled(fixed.whole(sentences[1:2]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"forward": (9,)}, r"the input 'forward' has 1 axes, expected \[characters, sentences\]"),
        ({"forward": (9, 3), "lengths": (4,)}, "the input 'lengths' fixes 4 sentences, another one 3"),
        ({"lengths": (3,), "forwardIndices": (10,)}, "takes 10 total tokens in each run, which 3 sentences cannot sha"),
        ({"striping": (7,)}, "the input 'striping' has 7 rows, which 2 parts cannot share evenly"),
        ({"lengths": (0,)}, "the model takes 0 sentences in each run, which is no sentence of one token"),
        ({"lengths": (3,), "forwardIndices": (2,)}, "takes 2 total tokens in each run, which is no sentence of one to"),
        ({"lengths": (70_000,)}, "takes 70,000 sentences in each run; at most 65,536 are filled up to"),
        ({"forward": (70_000, 1_000)}, "the input 'forward' has 70,000,000 values in each run; at most 67,108,864 are"),
    ],
)
def test_sizes_that_no_run_could_fill_are_refused(
    metadata: MakeInterface, given: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ModelError, match=f"m.onnx: M014 .*{message}"):
        shapes(metadata, **given)


def test_pieces_that_fill_a_batch_up_are_copies_that_stand_for_no_token() -> None:
    cut = Cut([[Piece([5, 6, 7], np.array([-1, 0, -1]))], [Piece([5, 8], np.array([0, 1]))]], padding=9)
    found = cut.grid(tokens=3, count=4, length=5)
    assert found.ids.tolist() == [[5, 6, 7, 9, 9], [5, 8, 9, 9, 9], [5, 6, 7, 9, 9], [5, 6, 7, 9, 9]]
    assert found.mask.sum(axis=1).tolist() == [3, 2, 3, 3]  # a piece without a subtoken has no attention to share out
    assert found.words.tolist() == [[-1, 0, -1, -1, -1], [3, 4, -1, -1, -1], [-1] * 5, [-1] * 5]
    assert found.first.tolist() == [1, 20, 20, 5, 6, 20]
    assert (cut.counts().tolist(), cut.lengths().tolist()) == ([1, 1], [3, 2])
