"""The graph makes of a text what the run time makes of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.interface.language_model_inputs import Characters
from assembler.runtime.encoding import encode
from assembler.runtime.interface import Interface
from assembler.runtime.text import encode_text
from assembler.runtime.token import Token
from assembler.spec.reading import parse_spec
from assembler.surgery.emission import emit_parts
from assembler.surgery.joining import join
from assembler.weights.language_models import CharacterWeights
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Front = Callable[[np.ndarray], dict[str, np.ndarray]]

SPEC = """\
version: 1
name: front
opset: {opset}
sources: {{tagger: {{flair: tagger.pt}}}}
inputs:
  text: {{type: int32, shape: [sentences, characters]}}
graph:
  tokens: {{kind: text_tokens, inputs: {{text: text}}}}
  before: {{kind: text_characters, weights: tagger.embeddings.0, inputs: {{text: tokens.text, sizes: tokens.sizes}}}}
  where:
    kind: text_indices
    weights: tagger.embeddings.0
    inputs: {{starts: tokens.starts, ends: tokens.ends, sizes: tokens.sizes, counts: tokens.counts}}
outputs:
  characters: before.characters
  indices: where.indices
  characterLengths: before.lengths
  lengths: tokens.lengths
  counts: tokens.counts
  text_back: tokens.text
"""
INPUTS = [
    {"name": "characters", "fill": "characters", "language_model": "lm"},
    {"name": "indices", "fill": "indices", "language_model": "lm"},
    {"name": "characterLengths", "fill": "character_lengths", "language_model": "lm"},
    {"name": "lengths", "fill": "token_lengths"},
]
PLAIN = """\
  plain:
    kind: text_plain
    inputs: {text: text, starts: tokens.starts, ends: tokens.ends, lengths: tokens.lengths}
  before:
    kind: text_characters
    weights: tagger.embeddings.0
    inputs: {text: plain.text, sizes: plain.sizes, extents: plain.extents}
  where:
    kind: text_indices
    weights: tagger.embeddings.0
    inputs: {starts: plain.starts, ends: plain.ends, sizes: plain.sizes, counts: tokens.counts, read: before.read}
"""
ITEMS = ("<unk>", "\n", " ", *"abcdäß.", "\t", "\u0301", "\ud83d", "你", "😀", "\U0010ffff", "a", "\0", "ab")
CASES = ("<unk>", "\n", " ", *"aiA\u0307\u03c3\u03c2\u03a3äÄß\u0301.😀\u00a0")
MAKES = {
    "forward": Characters(ITEMS, "forward", "\n", " ", with_whitespace=True, lowercase=False, padding=2),
    "backward": Characters(ITEMS, "backward", "\n", " ", with_whitespace=True, lowercase=False, padding=2),
    "last characters": Characters(ITEMS, "forward", "", " ", with_whitespace=False, lowercase=False, padding=2),
    "long markers": Characters(ITEMS, "backward", "\nb?", " a", with_whitespace=False, lowercase=False, padding=7),
    "no items": Characters((), "backward", "\n", " ", with_whitespace=True, lowercase=False, padding=0),
    "no space": Characters(tuple("abc"), "forward", "\n", " ", with_whitespace=True, lowercase=False, padding=0),
    "lower": Characters(CASES, "forward", "\n", " ", with_whitespace=True, lowercase=True, padding=2),
    "lower, backward": Characters(CASES, "backward", "\nA", " ", with_whitespace=False, lowercase=True, padding=2),
    "untokenised": Characters(
        ITEMS, "forward", "", " ", with_whitespace=False, lowercase=False, padding=2, tokenized=False
    ),
    "untokenised, backward": Characters(
        CASES, "backward", "\n", " ", with_whitespace=True, lowercase=True, padding=2, tokenized=False
    ),
}


def front_end(about: Characters, opset: int = 17) -> Front:
    weights = CharacterWeights(about)
    text = SPEC.format(opset=opset)
    if not about.tokenized:
        begin, end = text.index("  before:"), text.index("outputs:")
        text = text[:begin] + PLAIN + text[end:]
    wiring = wire(parse_spec(text, "front.yaml"), {"before": weights, "where": weights})
    model = join(wiring, emit_parts(wiring))
    for tensor in model.proto.graph.initializer:
        if tensor.name in model.weights:
            from onnx import numpy_helper

            tensor.CopyFrom(numpy_helper.from_array(model.weights[tensor.name], tensor.name))
    session = ort.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda text: dict(zip(names, session.run(names, {"text": text}), strict=True))


def interface_of(about: Characters) -> Interface:
    record = {
        "inputs": INPUTS,
        "outputs": [],
        "tags": {},
        "language_models": {
            "lm": {
                "direction": about.direction,
                "start_marker": about.start_marker,
                "end_marker": about.end_marker,
                "with_whitespace": about.with_whitespace,
                "lowercase": about.lowercase,
                "padding": about.padding,
                "tokenized": about.tokenized,
            }
        },
    }
    return Interface.from_metadata(record, {"lm": list(about.dictionary)})


@pytest.fixture(scope="module")
def fronts() -> dict[str, tuple[Front, Interface]]:
    return {name: (front_end(about), interface_of(about)) for name, about in MAKES.items()}


def letters() -> st.SearchStrategy[str]:
    return st.characters(exclude_characters=" ", exclude_categories=()) | st.sampled_from(
        "abä😀你\0\ud83d\u0301İ\u03a3A\u03c3'\u0307\u00a0"
    )


def sentences() -> st.SearchStrategy[list[list[str]]]:
    words = st.text(letters(), min_size=1, max_size=6)
    tokens = words | st.builds(Token, words, st.sampled_from([0, 1, 2, 3]))
    return st.lists(st.lists(tokens, min_size=1, max_size=7), min_size=1, max_size=5)


@pytest.mark.parametrize("make", MAKES)
@given(batch=sentences())
def test_the_graph_encodes_as_the_run_time_does(
    fronts: dict[str, tuple[Front, Interface]], make: str, batch: list[list[str]]
) -> None:
    front, interface = fronts[make]
    outputs = front(encode_text(batch, spaced="untokenised" in make))
    for name, expected in encode(interface, batch).items():
        assert outputs[name].dtype == expected.dtype
        np.testing.assert_array_equal(outputs[name], expected, err_msg=name)


@given(batch=sentences(), data=st.data())
def test_extra_separators_change_nothing(
    fronts: dict[str, tuple[Front, Interface]], batch: list[list[str]], data: st.DataObject
) -> None:
    front, _ = fronts["backward"]
    gap = st.lists(st.sampled_from([0, 32]), max_size=3)
    rows = []
    for tokens in batch:
        row = data.draw(gap)
        for token in tokens:
            row += [*encode_text([[token]])[0].tolist(), data.draw(st.sampled_from([0, 32])), *data.draw(gap)]
        rows.append(row)
    text = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, codes in zip(text, rows, strict=True):
        row[: len(codes)] = codes
    expected = front(encode_text(batch))
    for name, array in front(text).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_empty_sentences_have_no_tokens_and_a_place_in_the_batch(fronts: dict[str, tuple[Front, Interface]]) -> None:
    front, interface = fronts["forward"]
    outputs = front(np.array([[0, 0, 0, 0], [97, 98, 32, 97], [32, 32, 0, 0]], np.int32))
    alone = encode(interface, [["ab", "a"]])
    assert outputs["counts"].tolist() == [0, 2, 0]
    assert outputs["lengths"].tolist() == [1, 2, 1]
    assert outputs["characterLengths"].tolist() == [2, 6, 2]
    assert outputs["characters"].T.tolist() == [[1, 2, 2, 2, 2, 2], alone["characters"][:, 0].tolist(), [1, *[2] * 5]]
    assert outputs["indices"].tolist() == [0, 0, 3 * 3 + 1, 5 * 3 + 1, 2, 2]


@pytest.mark.parametrize("width", [0, 1, 5])
def test_a_batch_without_any_token_runs(fronts: dict[str, tuple[Front, Interface]], width: int) -> None:
    outputs = fronts["backward"][0](np.full((2, width), 32, np.int32))
    assert outputs["counts"].tolist() == [0, 0]
    assert outputs["characters"].T.tolist() == [[1, 2, 2], [1, 2, 2]]
    assert outputs["indices"].tolist() == [0, 1]


@pytest.mark.parametrize("width", [0, 5])
def test_no_sentences_become_one_without_tokens_which_only_the_counts_lack(
    fronts: dict[str, tuple[Front, Interface]], width: int
) -> None:
    outputs = fronts["backward"][0](np.zeros((0, width), np.int32))
    assert outputs["counts"].tolist() == []
    assert outputs["lengths"].tolist() == [1]
    assert outputs["characters"].T.tolist() == [[1, 2, 2]]
    assert outputs["indices"].tolist() == [0]


@pytest.mark.parametrize("code", [-1, -(2**31), 0x110000 + 1, 2**31 - 1, 0xD83D, 0x1F601, 0x41])
def test_numbers_that_are_no_character_of_the_dictionary_have_the_id_0(
    fronts: dict[str, tuple[Front, Interface]], code: int
) -> None:
    outputs = fronts["forward"][0](np.array([[97, code, 98]], np.int32))
    last_a = len(ITEMS) - 3  # of two equal items the later one counts
    assert outputs["characters"][:, 0].tolist() == [1, last_a, 0, 4, 2]


@pytest.mark.parametrize("opset", [13, 16, 18, 22])
def test_every_opset_of_a_spec_gives_the_same(opset: int) -> None:
    batch: Sequence[Sequence[str]] = [["ab", "😀", "x"], ["你"], ["a", "b", "c", "d"]]
    front, interface = front_end(MAKES["long markers"], opset), interface_of(MAKES["long markers"])
    outputs = front(encode_text(batch))
    for name, expected in encode(interface, batch).items():
        np.testing.assert_array_equal(outputs[name], expected, err_msg=name)
