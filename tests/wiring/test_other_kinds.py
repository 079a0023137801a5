"""Kinds of other packages work in place of ours: parts are told apart by what they declare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from assembler.core.errors import SpecError
from assembler.forms.opened import Joined
from assembler.parts import registry
from assembler.parts.registry import built_in_kinds
from assembler.spec.reading import parse_spec
from assembler.wiring.concat_order import order_problems
from assembler.wiring.fills import Fill, fills
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from assembler.wiring.graph import Wiring

OURS = ("char_lm", "transformer", "subtoken_pooling", "gather", "concat", "tagger_head", "reshape", "onnx")

STACK = """\
version: 1
name: other
sources: {tagger: {flair: x.pt}}
inputs:
  forward:  {type: int64, shape: [characters, sentences]}
  backward: {type: int64, shape: [characters, sentences]}
  sizes:    {type: int64, shape: [sentences]}
  one:      {type: int64, shape: [tokens]}
  two:      {type: int64, shape: [tokens]}
  lengths:  {type: int64, shape: [sentences]}
graph:
  a: {kind: my_char_lm, weights: tagger.embeddings.0, inputs: {characters: forward, lengths: sizes}}
  b: {kind: my_char_lm, weights: tagger.embeddings.1, inputs: {characters: backward, lengths: sizes}}
  c: {kind: my_gather, inputs: {states: a.states, indices: one}}
  d: {kind: my_gather, inputs: {states: b.states, indices: two}}
  words: {kind: my_concat, inputs: [c.rows, d.rows]}
  head: {kind: my_tagger_head, weights: tagger.head, inputs: {embeddings: words.rows, lengths: lengths}}
outputs: {tags: head.prediction}
"""

STRIPED = """\
version: 1
name: striped
sources: {tagger: {flair: x.pt}}
inputs:
  forward:  {type: int64, shape: [characters, sentences]}
  sizes:    {type: int64, shape: [sentences]}
  words:    {type: int64, shape: [tokens]}
  striping: {type: int64, shape: [all], fill: striping}
graph:
  a: {kind: my_char_lm, weights: tagger.embeddings.0, inputs: {characters: forward, lengths: sizes}}
  c: {kind: my_gather, inputs: {states: a.states, indices: words}}
  both: {kind: my_concat, axis: 0, inputs: [c.rows, c.rows, c.rows]}
  mixed: {kind: my_gather, inputs: {states: both.rows, indices: striping}}
  shaped: {kind: my_reshape, inputs: {tensor: mixed.rows}, shape: [tokens, 8]}
outputs: {rows: shaped.tensor}
"""


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register each of some kinds of ours under another name."""
    kinds = built_in_kinds()
    others = {f"my_{name}": replace(kinds[name], name=f"my_{name}") for name in OURS}
    monkeypatch.setattr(registry, "_registered", others)


def wired(text: str) -> Wiring:
    return wire(parse_spec(text, "other.yaml"))


def test_their_inputs_are_filled_like_those_of_ours() -> None:
    found = fills(wired(STACK))
    assert found == fills(wired(STACK.replace("my_", "")))
    assert found["one"] == Fill("indices", ("a",))
    assert found["sizes"] == Fill("character_lengths", ("a", "b"))
    assert found["lengths"] == Fill("token_lengths")


def test_their_joined_rows_are_interleaved_like_those_of_ours() -> None:
    assert fills(wired(STRIPED))["striping"] == Fill("striping", (), 3)
    assert fills(wired(STRIPED)) == fills(wired(STRIPED.replace("my_", "")))


def test_a_fill_that_speaks_of_no_part_is_told_with_them_too() -> None:
    exported = STRIPED.replace("my_char_lm, weights: tagger.embeddings.0", "my_onnx, weights: lm")
    text = exported.replace("tagger: {flair: x.pt}", "lm: {onnx: lm.onnx}").replace("axis: 0, ", "axis: 1, ")
    with pytest.raises(SpecError, match="W020 striping: the fill 'striping' does not fit"):
        wired(text)


def test_the_order_in_which_they_join_is_compared_with_the_models() -> None:
    order = Joined(("tagger.embeddings.1", "tagger.embeddings.0"), "it sorts them")
    (problem,) = order_problems(wired(STACK), {"tagger": order})
    assert problem.message == "words: the tagger 'tagger' joins its embeddings in another order"
    assert problem.hint == "it sorts them; write inputs: [d.rows, c.rows]"


def test_their_dims_and_weights_are_checked_like_those_of_ours() -> None:
    with pytest.raises(SpecError, match="W011 shaped: no input has a dim 'tokenz'"):
        wired(STRIPED.replace("shape: [tokens, 8]", "shape: [tokenz, 8]"))
    with pytest.raises(SpecError, match="W012 a: kind 'my_char_lm' takes its weights from a source of the form"):
        wired(STRIPED.replace("{flair: x.pt}", "{onnx: x.onnx}").replace("tagger.embeddings.0", "tagger"))
