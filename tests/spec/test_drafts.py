"""The text of the specs that `init` writes: one way from values to YAML, with comments and blank lines."""

from __future__ import annotations

import pytest

from assembler.initialisation.draft import Draft, Feed, Input, Part
from assembler.spec.yaml_text import parse

TIGHT = """\
version: 1
name: tags
description: "Tags, as flair's own tagger gives them."

# The digest pins the file.
sources:
  tagger: {flair: "my tagger.pt", sha256: 0f}

# What a host feeds.
inputs:
  forward: {type: int64, shape: [characters, sentences]}
  lengths: {type: int64, shape: [sentences]}

graph:
  lm:   # LSTM(3)
    kind: char_lm
    weights: tagger.embeddings.0
    inputs: {characters: forward, lengths: lengths}
  table:
    kind: embedding
    weights: tagger.embeddings.1
    inputs: {words: words}
    # keep_first: 100000
  # in the order of their names
  words:
    kind: concat
    inputs: [lm.states, table.rows]
  pooled:
    kind: document_pool
    pooling: mean
    inputs: {embeddings: words.rows, lengths: lengths}

outputs:
  scores: head.scores

# Name a file:
# proof: {sentences: a.txt}
proof: {against: tagger}
"""

SPREAD = """\
version: 1
name: stack

sources:
  encoder: {onnx: encoder.onnx}

inputs:
  signal: {type: float32, shape: [batch, 3]}  # shared by a and b
  list: {type: sequence(float32)}

graph:
  # encoder.onnx: signal → states
  encoder:
    kind: onnx
    weights: encoder
    inputs:
      signal: signal
      mode: list  # is this meant?

  # head.onnx: nothing → y
  head:
    kind: onnx
    weights: head

outputs:
  y: head.y
"""


def test_the_spec_of_a_checkpoint_is_tight() -> None:
    draft = Draft(
        name="tags",
        description="Tags, as flair's own tagger gives them.",
        sources={"tagger": {"flair": "my tagger.pt", "sha256": "0f"}},
        pinned="The digest pins the file.",
        inputs=[Input("forward", ("characters", "sentences")), Input("lengths", ("sentences",))],
        fed="What a host feeds.",
        parts=[
            Part(
                "lm", "char_lm", {"characters": "forward", "lengths": "lengths"}, "tagger.embeddings.0", about="LSTM(3)"
            ),
            Part("table", "embedding", {"words": "words"}, "tagger.embeddings.1", option="keep_first: 100000"),
            Part("words", "concat", ("lm.states", "table.rows"), above="in the order of their names"),
            Part(
                "pooled",
                "document_pool",
                {"embeddings": "words.rows", "lengths": "lengths"},
                parameters={"pooling": "mean"},
            ),
        ],
        outputs={"scores": "head.scores"},
        against="tagger",
        proven=("Name a file:", "proof: {sentences: a.txt}"),
    )
    assert draft.text() == TIGHT


def test_the_spec_of_exported_files_has_a_line_for_each_port() -> None:
    draft = Draft(
        name="stack",
        sources={"encoder": {"onnx": "encoder.onnx"}},
        inputs=[
            Input("signal", ("batch", 3), "float32", "shared by a and b"),
            Input("list", None, "sequence(float32)"),
        ],
        parts=[
            Part(
                "encoder",
                "onnx",
                {"signal": "signal", "mode": Feed("list", "is this meant?")},
                "encoder",
                above="encoder.onnx: signal → states",
            ),
            Part("head", "onnx", {}, "head", above="head.onnx: nothing → y"),
        ],
        outputs={"y": "head.y"},
        spread=True,
    )
    assert draft.text() == SPREAD


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize(
    "odd", ["on", "null", "1.5", "a: b", "#x", "it's", 'a "b"', "[", "{x}", "é ü", "a\u2028b", "0x1f"]
)
def test_every_text_is_read_as_it_was_given(odd: str, *, spread: bool) -> None:
    draft = Draft(
        name=odd,
        description=odd,
        sources={odd: {"flair": odd}},
        inputs=[Input(odd, (odd, 2))],
        parts=[Part(odd, "embedding", {odd: odd}, odd, {"keep": odd}), Part("b", "concat", (odd, odd))],
        outputs={odd: odd},
        against=odd,
        spread=spread,
    )
    assert parse(draft.text(), "").root == {
        "version": 1,
        "name": odd,
        "description": odd,
        "sources": {odd: {"flair": odd}},
        "inputs": {odd: {"type": "int64", "shape": [odd, 2]}},
        "graph": {
            odd: {"kind": "embedding", "weights": odd, "keep": odd, "inputs": {odd: odd}},
            "b": {"kind": "concat", "inputs": [odd, odd]},
        },
        "outputs": {odd: odd},
        "proof": {"against": odd},
    }
