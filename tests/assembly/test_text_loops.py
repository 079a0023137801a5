"""Models that take text have the loops of those that take indices, with zeros after the end of each text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assembler.initialisation import write_spec
from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.facts import LanguageModel
from assembler.onnx_model.model import Model
from assembler.passes.loops import LowerLanguageModels
from assembler.passes.quantisation import Quantise
from assembler.passes.reset_character import AddResetCharacter
from assembler.passes.token_layers import LowerTokenLayers
from assembler.runtime import Tagger
from tests.assembly.test_profiles import texts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Resize, Workshop

CHARACTERS, HIDDEN = 7, 4


@pytest.fixture(autouse=True)
def _at_every_size(resize: Resize) -> None:
    resize(LowerLanguageModels(), Quantise(least_values=16))


def built(shop: Workshop, checkpoint: Path, folder: Path, profile: str) -> list[Path]:
    """Return the models of one tagger that take indices and that take text."""
    found = []
    for text in (False, True):
        spec = folder / f"{'text' if text else 'indices'}.yaml"
        spec.write_text(write_spec(str(checkpoint), folder, text=text), encoding="utf-8")
        found.append(shop.build(spec, profile=profile, proof=False).path)
    return found


def loops_of(path: Path) -> list[tuple[str, list[str]]]:
    """Return the name of each loop, with the operators of its body."""
    scans = [node for node in onnx.load(path).graph.node if node.op_type == "Scan"]
    return sorted((node.name, [inner.op_type for inner in node.attribute[0].g.node]) for node in scans)


@pytest.mark.parametrize("profile", ["cpu", "int8"])
def test_a_model_that_takes_text_has_the_loops_of_one_that_takes_indices(
    shop: Workshop, checkpoint: Path, tmp_path: Path, profile: str
) -> None:
    indices, text = built(shop, checkpoint, tmp_path, profile)
    assert [name for name, _ in loops_of(text)] == ["backward_lm/loop", "forward_lm/loop"]
    assert loops_of(text) == loops_of(indices)
    nodes = onnx.load(text).graph.node
    assert not [node.name for node in nodes if "LSTM" in node.op_type and "_lm/" in node.name]
    assert sum(node.op_type == "If" for node in nodes) == (2 if profile == "int8" else 0)


def test_in_int8_text_and_indices_give_the_same_tags_and_scores(
    shop: Workshop, checkpoint: Path, tmp_path: Path
) -> None:
    indices, text = (Tagger(path) for path in built(shop, checkpoint, tmp_path, "int8"))
    sentences = texts(60)
    for size in (1, 60):
        for one, other in zip(*(tagger.tag(sentences, batch_size=size) for tagger in (indices, text)), strict=True):
            assert one.labels == other.labels
            np.testing.assert_allclose(one.scores, other.scores, rtol=0, atol=1e-5)


def test_a_host_of_text_is_told_of_no_reset_character(shop: Workshop, checkpoint: Path, tmp_path: Path) -> None:
    indices, text = built(shop, checkpoint, tmp_path, "cpu")
    known = [shop.metadata(path)["interface"]["language_models"] for path in (indices, text)]
    assert ["reset" in entry for entry in known[0].values()] == [True, True]
    assert ["reset" in entry for entry in known[1].values()] == [False, False]


def reading(cell: str, *, counted: bool = True) -> Model:
    """Return a language model whose ids and rows the graph itself makes: each id is a third of a code."""
    drawn, gates = np.random.default_rng(0), {"LSTM": 4, "GRU": 3}[cell]
    emit = Emitter({}, 17)
    shapes = {
        "lm/W": (1, gates * HIDDEN, 3),
        "lm/R": (1, gates * HIDDEN, HIDDEN),
        "lm/B": (1, 2 * gates * HIDDEN),
        "lm/table": (CHARACTERS, 3),
    }
    table = {
        name: emit.initializer(name, drawn.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()
    }
    ids = emit.op("Div", ["codes", emit.number("lm/three", 3, "int64")], "lm/ids")
    rows = emit.op("Add", ["places", emit.number("lm/one", 1, "int64")], "lm/rows")
    embedded = emit.op("Gather", [table["lm/table"], ids], "lm/embedding", axis=0)
    weights = [table[name] for name in ("lm/W", "lm/R", "lm/B")]
    options = {"linear_before_reset": 1} if cell == "GRU" else {}
    counts = ["counts"] if counted else []
    states = emit.op(cell, [embedded, *weights, *counts], "lm/layer", hidden_size=HIDDEN, **options)
    squeezed = emit.op("Squeeze", [states, emit.integers("lm/axis", [1])], "lm/squeeze")
    emit.fact(LanguageModel(squeezed, "lm"))
    flat = emit.op("Reshape", [squeezed, emit.integers("lm/flat", [-1, HIDDEN])], "lm/flatten")
    emit.op("Gather", [flat, rows], "words", axis=0)
    fragment = emit.fragment()
    graph = fragment.graph
    graph.name = "reading"
    info = onnx.helper.make_tensor_value_info
    given = [info("codes", 7, ["characters", "sentences"]), info("places", 7, ["total"])]
    graph.input.extend([*given, info("counts", 6, ["sentences"])] if counted else given)
    graph.output.append(info("words:0", 1, None))
    opset = onnx.helper.make_opsetid("", 17)
    return Model(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), {}, fragment.facts)


def run(model: Model, counts: list[int]) -> np.ndarray:
    """Return every state of two texts of up to six characters."""
    session = ort.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    codes = np.random.default_rng(1).integers(0, 3 * CHARACTERS, (6, 2))
    given = {"codes": codes, "places": np.arange(12) - 1, "counts": np.array(counts, np.int32)}
    [output] = session.run(None, {entry.name: given[entry.name] for entry in session.get_inputs()})
    return output.reshape(6, 2, HIDDEN)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_behind_the_end_of_a_text_the_states_are_zeros_as_those_of_the_operator(cell: str) -> None:
    model = reading(cell)
    lowered = LowerLanguageModels()(model)
    assert "Scan" in [node.op_type for node in lowered.proto.graph.node]
    for counts in ([6, 6], [2, 5], [6, 1]):
        expected, given = run(model, counts), run(lowered, counts)
        np.testing.assert_allclose(given, expected, atol=1e-6)
        assert not given[counts[0] :, 0].any()
        assert not given[counts[1] :, 1].any()


def test_texts_that_are_not_counted_and_whose_rows_the_graph_picks_are_left_as_they_are() -> None:
    model = reading("LSTM", counted=False)
    assert LowerLanguageModels()(model).proto == model.proto


def test_a_language_model_that_no_host_feeds_gets_no_reset_character_beside_its_operator() -> None:
    model = reading("LSTM")
    given = AddResetCharacter()(model)
    assert given.resets == {}
    assert given.proto == model.proto


@pytest.mark.parametrize("text", [False, True])
def test_in_int8_batches_of_any_size_but_one_give_the_same_tags_and_nearly_the_same_scores(
    shop: Workshop, checkpoint: Path, tmp_path: Path, resize: Resize, *, text: bool
) -> None:
    """What enters the head's projection is rounded by one scale for all of a run; a sentence alone has another way."""
    # as in real models the last product, to the labels, stays float32
    resize(LowerTokenLayers(least_features=1), Quantise(least_values=128))
    path = built(shop, checkpoint, tmp_path, "int8")[text]
    assert "DynamicQuantizeLinear" in {node.op_type for node in onnx.load(path).graph.node}
    sentences = texts(64)
    first, *others = ([*Tagger(path).tag(sentences, batch_size=size)] for size in (64, 32, 8))
    for other in others:
        assert [each.labels for each in other] == [each.labels for each in first]
        for one, same in zip(other, first, strict=True):
            np.testing.assert_allclose(one.scores, same.scores, rtol=0, atol=1e-3)
    alone = Tagger(path).tag(sentences, batch_size=1)
    pairs = [(one.scores, many.scores) for one, many in zip(alone, first, strict=True)]
    assert max(np.abs(np.subtract(one, many)).max() for one, many in pairs) > 1e-5
