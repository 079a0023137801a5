"""Models of a few nodes and their metadata, small enough to know each answer by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import onnx
import onnx.parser
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Each token's class is the id of the character at the token's position; its score is a hundredth of that.
ECHO = """
<ir_version: 8, opset_import: ["": 17]>
echo (int64[characters, sentences] forward, int64[total_tokens] forwardIndices,
      int64[sentences] characterLengths, int64[sentences] lengths)
  => (float[sentences, tokens] scores, int64[sentences, tokens] prediction)
<int64[1] flat = {-1}, float hundred = {100.0}>
{
  row = Reshape(forward, flat)
  picked = Gather(row, forwardIndices)
  count = Shape(lengths)
  shape = Concat<axis = 0>(count, flat)
  prediction = Reshape(picked, shape)
  real = Cast<to = 1>(prediction)
  scores = Div(real, hundred)
}
"""

CHARACTERS = ("<unk>", "\n", " ", *"abcdefghijklmnopqrstuvwxyzäöü.", "😀")

Json = dict[str, object]


class WriteModel(Protocol):
    """Writes an ONNX file of a graph and a metadata entry for each name and JSON value, and returns its path."""

    def __call__(self, entries: Mapping[str, object] | None = None, graph: str = ECHO, name: str = ...) -> Path:
        """Write the model; `None` means the entries of the fixture of that name."""
        ...


class MakeInterface(Protocol):
    """Makes the metadata entries of a model with one language model, whose fields the arguments change."""

    def __call__(self, direction: str = ..., items: Sequence[str] = ..., **changes: object) -> dict[str, Json]:
        """Return `interface` and `dictionaries`."""
        ...


def _metadata(direction: str = "forward", items: Sequence[str] = CHARACTERS, **changes: object) -> dict[str, Json]:
    language_model: Json = {
        "direction": direction,
        "start_marker": "\n",
        "end_marker": " ",
        "with_whitespace": False,
        "lowercase": False,
        "padding": items.index(" "),
    }
    interface: Json = {
        "inputs": [
            {"name": "forward", "fill": "characters", "language_model": "lm"},
            {"name": "forwardIndices", "fill": "indices", "language_model": "lm"},
            {"name": "characterLengths", "fill": "character_lengths", "language_model": "lm"},
            {"name": "lengths", "fill": "token_lengths"},
        ],
        "outputs": [{"name": "scores", "gives": "scores"}, {"name": "prediction", "gives": "prediction"}],
        "language_models": {"lm": language_model | changes},
        "tags": {"label_type": "upos", "spans": False},
    }
    return {"interface": interface, "dictionaries": {"lm": list(items)}}


@pytest.fixture
def metadata() -> MakeInterface:
    return _metadata


@pytest.fixture
def entries() -> Json:
    """Return the metadata of a model that names the last character of each token."""
    return {"format": 1, "labels": list(CHARACTERS), "versions": {"assembler": "0.1.0"}} | _metadata()


@pytest.fixture
def write_model(tmp_path: Path, entries: Json) -> WriteModel:
    def write(chosen: Mapping[str, object] | None = None, graph: str = ECHO, name: str = "model.onnx") -> Path:
        model = onnx.parser.parse_model(graph)
        values = entries if chosen is None else chosen
        onnx.helper.set_model_props(model, {f"assembler.{key}": json.dumps(value) for key, value in values.items()})
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return write
