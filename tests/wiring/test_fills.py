"""The wiring tells how a host fills each input."""

from __future__ import annotations

from pathlib import Path

from assembler.spec.reading import load_spec, parse_spec
from assembler.wiring.fills import Fill, fills
from assembler.wiring.graph import Wiring, wire

SPECS = Path(__file__).parents[2] / "specs"
BOTH = ("forward_lm", "backward_lm")


def demo(*changes: tuple[str, str], name: str = "demo-pos") -> Wiring:
    text = (SPECS / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return wire(parse_spec(text, f"{name}.yaml"))


def test_the_inputs_of_a_stacked_tagger_are_recognised_in_the_order_of_the_spec() -> None:
    found = fills(demo())
    assert list(found.items()) == [
        ("forward", Fill("characters", ("forward_lm",))),
        ("forwardIndices", Fill("indices", ("forward_lm",))),
        ("backward", Fill("characters", ("backward_lm",))),
        ("backwardIndices", Fill("indices", ("backward_lm",))),
        ("characterLengths", Fill("character_lengths", BOTH)),
        ("lengths", Fill("token_lengths")),
    ]


def test_the_inputs_are_recognised_by_what_they_feed_and_not_by_their_names() -> None:
    found = fills(demo(("forwardIndices", "tmp"), ("forward:  ", "backwards:"), (": forward,", ": backwards,")))
    assert found["backwards"] == Fill("characters", ("forward_lm",))
    assert found["tmp"] == Fill("indices", ("forward_lm",))


def test_indices_into_rows_that_are_joined_one_behind_the_other_are_striping() -> None:
    found = fills(wire(load_spec(SPECS / "striping.yaml")))
    assert found["striping"] == Fill("striping", parts=2)
    assert found["forwardIndices"] == Fill("indices", ("forward_lm",))


def test_one_input_for_both_indices_knows_both_language_models() -> None:
    found = fills(demo(("  backwardIndices:  {type: int64, shape: [total_tokens]}\n", ""), ("backwardI", "forwardI")))
    assert found["forwardIndices"] == Fill("indices", BOTH)


def test_an_input_that_would_have_to_be_filled_in_two_ways_is_left_open() -> None:
    found = fills(
        demo(
            ("lengths: lengths}", "lengths: characterLengths}"),
            ("  lengths:          {type: int64, shape: [sentences]}\n", ""),
        )
    )
    assert found["characterLengths"] == Fill(None)


def test_what_the_spec_says_of_an_input_counts() -> None:
    found = fills(
        demo(
            ("lengths: lengths}", "lengths: characterLengths}"),
            ("  lengths:          {type: int64, shape: [sentences]}\n", ""),
            ("characterLengths: {type: int64,", "characterLengths: {fill: character_lengths, type: int64,"),
        )
    )
    assert found["characterLengths"] == Fill("character_lengths", BOTH)


def test_an_input_of_an_exported_subgraph_is_not_guessed() -> None:
    text = (
        "version: 1\nname: a\nsources: {lm: {onnx: a.onnx}}\ninputs:\n  forward: {type: int64, shape: [a, b]}\n"
        "  other: {type: int64, shape: [n], fill: token_lengths}\n  at: {type: int64, shape: [n]}\n"
        "graph:\n  lm: {kind: onnx, weights: lm, inputs: {ids: forward, more: other}}\n"
        "  rows: {kind: gather, inputs: {states: lm.y, indices: at}}\noutputs: {y: rows.rows}\n"
    )
    found = fills(wire(parse_spec(text, "a.yaml")))
    assert found == {"forward": Fill(None), "other": Fill("token_lengths"), "at": Fill(None)}
