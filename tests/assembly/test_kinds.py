"""Each kind computes what torch and numpy compute, in every shape it promises and at every opset."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch

from assembler.core.errors import ModelError, SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from flair.models import LanguageModel

    from tests.assembly.conftest import Workshop

OPSETS = (*range(13, 23), 24, 28)

LANGUAGE_MODEL = """\
version: 1
name: lm
opset: <opset>
sources: {lm: {flair: lm.pt}}
inputs:
  characters: {type: int64, shape: [characters, sentences]}
  counts:     {type: int64, shape: [sentences]}
graph:
  lm: {kind: char_lm, weights: lm, inputs: {characters: characters, lengths: counts}}
outputs: {states: lm.states}
"""

HEAD = """\
version: 1
name: head
opset: <opset>
sources: {tagger: {flair: tagger.pt}}
inputs:
  rows:    {type: float32, shape: [sentences, 16]}
  lengths: {type: int64, shape: [sentences], range: [1, 1]}
graph:
  head: {kind: tagger_head, weights: tagger.head, inputs: {embeddings: rows, lengths: lengths}}
outputs: {scores: head.scores, emissions: head.emissions}
"""


def torch_states(model: LanguageModel, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Run each text alone, without padding; positions after its end are not compared."""
    size = model.nout or model.hidden_size
    states = np.full((*ids.shape, size), np.nan, dtype=np.float32)
    with torch.no_grad():
        for column, length in enumerate(lengths):
            text = torch.from_numpy(ids[:length, column : column + 1])
            output, _ = model.forward(text, model.init_hidden(1), decode=False)
            states[:length, column] = output[:, 0].numpy()
    return states


@pytest.mark.parametrize(
    ("cell", "layers", "projection", "forward"),
    list(itertools.product(["lstm", "gru"], [1, 2, 3], [None, 5], [True, False])),
)
def test_a_language_model_gives_torchs_states(
    shop: Workshop, tmp_path: Path, cell: str, layers: int, projection: int | None, *, forward: bool
) -> None:
    model = shop.language_model(cell=cell, layers=layers, projection=projection, forward=forward, seed=layers)
    shop.save(model, tmp_path / "lm.pt")
    built = shop.build(shop.spec(tmp_path, LANGUAGE_MODEL)).path
    ids = np.random.default_rng(5).integers(0, 30, (11, 4))
    lengths = np.array([11, 1, 7, 3])
    given = shop.run(built, {"characters": ids, "counts": lengths})["states"]
    expected = torch_states(model, ids, lengths)
    real = ~np.isnan(expected)
    assert given.shape == expected.shape
    np.testing.assert_allclose(given[real], expected[real], rtol=0, atol=2e-6)
    operators = {node.op_type for node in onnx.load(built).graph.node}
    assert cell.upper() in operators


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_language_model_is_emitted_at_the_opset_that_the_spec_sets(
    shop: Workshop, tmp_path: Path, opset: int, cell: str
) -> None:
    model = shop.language_model(cell=cell, layers=2, projection=4)
    shop.save(model, tmp_path / "lm.pt")
    built = shop.build(shop.spec(tmp_path, LANGUAGE_MODEL, opset=str(opset))).path
    assert [(entry.domain, entry.version) for entry in onnx.load(built).opset_import] == [("", opset)]
    ids = np.random.default_rng(5).integers(0, 30, (6, 2))
    given = shop.run(built, {"characters": ids, "counts": np.array([6, 6])})["states"]
    np.testing.assert_allclose(given, torch_states(model, ids, np.array([6, 6])), rtol=0, atol=2e-6)


HEADS = [
    {"use_rnn": False, "reproject": False},
    {"use_rnn": False, "reproject": True},
    *({"cell": cell, "layers": layers, "reproject": reproject}
      for cell in ("LSTM", "GRU", "RNN") for layers in (1, 2) for reproject in (True, False)),
]  # fmt: skip


@pytest.mark.parametrize("options", HEADS, ids=lambda options: "-".join(map(str, options.values())))
def test_a_tagger_head_gives_flairs_tags(shop: Workshop, tmp_path: Path, options: dict[str, object]) -> None:
    tagger = shop.tagger(**options, seed=len(options))
    shop.save(tagger, tmp_path / "tagger.pt")
    built = shop.build(shop.spec(tmp_path)).path
    from assembler.runtime import Tagger

    sentences = [["der", "hund", "bellt", "."], ["ja"], ["die", "katze", "schläft", "und", "träumt", "laut"]]
    given = Tagger(built).tag(sentences)
    expected = shop.flair_tags(tagger, sentences)
    assert [list(result.labels) for result in given] == [[label for label, _ in row] for row in expected]
    for result, row in zip(given, expected, strict=True):
        np.testing.assert_allclose(result.scores, [score for _, score in row], rtol=0, atol=1e-6)
    operators = [node.op_type for node in onnx.load(built).graph.node if node.name.startswith("head/")]
    cell = str(options.get("cell", "LSTM"))
    assert operators.count(cell) == (0 if options.get("use_rnn") is False else 2 * options["layers"])  # each direction
    assert operators.count("MatMul") == (2 if options["reproject"] else 1)
    assert operators[-3:] == ["Softmax", "ReduceMax", "ArgMax"]


@pytest.mark.parametrize("opset", OPSETS)
def test_a_tagger_is_emitted_at_the_opset_that_the_spec_sets(shop: Workshop, folder: Path, opset: int) -> None:
    result = shop.build(shop.spec(folder, opset=str(opset)))
    assert onnx.load(result.path).opset_import[0].version == opset
    assert result.proven is not None
    assert result.proven.tokens > 100


def test_opset_17_is_the_default(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    spec.write_text(spec.read_text().replace("opset: 17\n", ""))
    assert onnx.load(shop.build(spec).path).opset_import[0].version == 17


@pytest.mark.parametrize("opset", [12, 29])
def test_an_opset_that_no_kind_can_be_emitted_at_is_refused(shop: Workshop, folder: Path, opset: int) -> None:
    words = "at least 13" if opset == 12 else "at most 28"
    with pytest.raises(SpecError, match=f"S004 'opset': got {opset}, expected {words}"):
        shop.build(shop.spec(folder, opset=str(opset)))


def test_a_padded_tensor_feeds_a_head_as_rows_do(shop: Workshop, folder: Path) -> None:
    rows = np.random.default_rng(1).standard_normal((6, 16)).astype(np.float32)
    flat = shop.build(shop.spec(folder, HEAD, name="flat.yaml")).path
    text = HEAD.replace("[sentences, 16]", "[sentences, tokens, 16]")
    padded = shop.build(shop.spec(folder, text, name="padded.yaml")).path
    lengths = np.array([3, 2])
    a = shop.run(flat, {"rows": rows, "lengths": lengths})
    b = shop.run(padded, {"rows": rows.reshape(2, 3, 16), "lengths": lengths})
    for name in ("scores", "emissions"):
        np.testing.assert_array_equal(a[name], b[name])
    assert a["emissions"].shape == (2, 3, 5)


def test_inputs_that_do_not_fit_a_part_are_named(shop: Workshop, folder: Path) -> None:
    text = HEAD.replace("[sentences, 16]", "[total_tokens, 16]").replace(", range: [1, 1]", "")
    with pytest.raises(
        ModelError, match=r"M007 the source does not run the part 'head' on embeddings float32\[\d+, 16\], "
    ) as caught:
        shop.build(shop.spec(folder, text))
    assert "give the inputs of the spec a 'range', or dims of one name" in str(caught.value)


def test_nodes_have_readable_hierarchical_names(built: Path) -> None:
    graph = onnx.load(built).graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert {"forward_lm/embedding", "forward_lm/lstm_0", "backward_lm/lstm_0", "words/concat"} <= set(names)
    assert {"head/reprojection/matmul", "head/linear/add", "head/softmax", "head/prediction"} <= set(names)
    assert {"head/lstm_0/directions/forward", "head/lstm_0/directions/reverse"} <= set(names)
    parts = {"forward_lm", "backward_lm", "forward_words", "backward_words", "words", "head"}
    assert {name.split("/")[0] for name in names} == parts
    weights = {tensor.name.split("/")[0] for tensor in graph.initializer}
    assert weights <= parts
    assert [entry.name for entry in graph.output] == ["scores", "prediction"]


def glue(shape: str, body: str, output: str, dtype: str = "float32", opset: int = 17) -> str:
    return (
        f"version: 1\nname: glue\nopset: {opset}\n"
        f"inputs:\n  x: {{type: {dtype}, shape: {shape}}}\n"
        f"graph:\n{body}outputs: {{result: {output}}}\n"
    )


X = np.random.default_rng(3).standard_normal((2, 3, 4)).astype(np.float32)


def softmax(array: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(array - array.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def tensor(kind: str, rest: str) -> str:
    return f"  p: {{kind: {kind}, inputs: {{tensor: x}}, {rest}}}\n"


GLUE = {
    "reshape": (tensor("reshape", "shape: [0, -1]"), X.reshape(2, 12)),
    "reshape-name": (tensor("reshape", "shape: [a, 12]"), X.reshape(2, 12)),
    "transpose": (tensor("transpose", "order: [2, 0, 1]"), X.transpose(2, 0, 1)),
    "cast": (tensor("cast", "to: int64"), X.astype(np.int64)),
    "cast-half": (tensor("cast", "to: float16"), X.astype(np.float16)),
    "softmax": (tensor("softmax", "axis: 1"), softmax(X, 1)),
    "softmax-default": ("  p: {kind: softmax, inputs: {tensor: x}}\n", softmax(X, -1)),
    "argmax": (tensor("argmax", "axis: 0"), X.argmax(0)),
    "max": (tensor("max", "axis: -2"), X.max(-2)),
    "max-default": ("  p: {kind: max, inputs: {tensor: x}}\n", X.max(-1)),
    "concat": ("  p: {kind: concat, axis: 1, inputs: [x, x]}\n", np.concatenate([X, X], 1)),
    "constant": (
        (
            "  c: {kind: constant, value: [[1.5], [2], [-3]], dtype: float32}\n"
            "  p: {kind: arithmetic, operator: multiply, inputs: {left: x, right: c.tensor}}\n"
        ),
        X * np.array([[1.5], [2], [-3]], np.float32),
    ),
    **{
        operator: (f"  p: {{kind: arithmetic, operator: {operator}, inputs: {{left: x, right: x}}}}\n", result)
        for operator, result in (
            ("add", X + X), ("subtract", X - X), ("multiply", X * X), ("divide", X / X),
        )
    },
}  # fmt: skip


def port(name: str) -> str:
    return "p.rows" if name == "concat" else "p.tensor"


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", GLUE)
def test_glue_computes_what_numpy_computes(shop: Workshop, tmp_path: Path, name: str, opset: int) -> None:
    body, expected = GLUE[name]
    shape = {"constant": "[a, 3, c]", "reshape-name": "[a, 3, 4]"}.get(name, "[a, b, c]")
    built = shop.build(shop.spec(tmp_path, glue(shape, body, port(name), opset=opset))).path
    given = shop.run(built, {"x": X})["result"]
    assert given.dtype == expected.dtype
    np.testing.assert_allclose(given, expected, rtol=1e-6, atol=1e-6)


def test_equal_values_have_the_first_index(shop: Workshop, tmp_path: Path) -> None:
    built = shop.build(
        shop.spec(tmp_path, glue("[a, b]", "  p: {kind: argmax, inputs: {tensor: x}}\n", "p.tensor"))
    ).path
    tied = np.array([[1, 5, 5, 5], [7, 7, 0, 7]], np.float32)
    assert shop.run(built, {"x": tied})["result"].tolist() == [1, 0]


GATHER = """\
version: 1
name: gather
inputs:
  states:  {type: float32, shape: <shape>}
  indices: {type: int64, shape: [n], range: [0, 0]}
graph:
  p: {kind: gather, inputs: {states: states, indices: indices}}
outputs: {rows: p.rows}
"""


@pytest.mark.parametrize("shape", ["[a, b, c]", "[a, b, 4]"])
def test_gather_flattens_every_axis_but_the_last(shop: Workshop, tmp_path: Path, shape: str) -> None:
    built = shop.build(shop.spec(tmp_path, GATHER, shape=shape)).path
    indices = np.array([5, 0, 0, 3])
    given = shop.run(built, {"states": X, "indices": indices})["rows"]
    np.testing.assert_array_equal(given, X.reshape(6, 4)[indices])


def test_gather_of_rows_takes_them_as_they_are(shop: Workshop, tmp_path: Path) -> None:
    built = shop.build(shop.spec(tmp_path, GATHER, shape="[a, c]")).path
    assert [node.op_type for node in onnx.load(built).graph.node] == ["Gather"]
    given = shop.run(built, {"states": X[0], "indices": np.array([2, 2, 1])})["rows"]
    np.testing.assert_array_equal(given, X[0][[2, 2, 1]])


def test_a_constant_of_text_is_text(shop: Workshop, tmp_path: Path) -> None:
    text = "version: 1\nname: c\ngraph:\n  c: {kind: constant, value: [ä, '😀'], dtype: string}\n"
    text += "outputs: {result: c.tensor}\n"
    built = shop.build(shop.spec(tmp_path, text)).path
    assert shop.run(built, {})["result"].tolist() == ["ä", "😀"]
