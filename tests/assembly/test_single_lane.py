"""One sentence alone takes ONNX Runtime's own int8 layer, with nearly the loop's states; shared lanes take the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.facts import LanguageModel
from assembler.onnx_model.model import Model
from assembler.passes.loops import LowerLanguageModels
from assembler.passes.quantisation import Quantise
from assembler.passes.single_lane import ReadOneLaneApart, in_two_halves
from assembler.runtime import Tagger
from tests.assembly.test_profiles import texts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Resize, Workshop

CHARACTERS, HIDDEN = 7, 8
RESET = CHARACTERS
quantise, read_one_lane_apart = Quantise(least_values=16), ReadOneLaneApart()


@pytest.fixture(autouse=True)
def _at_every_size(resize: Resize) -> None:
    resize(quantise)


def language_model() -> Model:
    """Return an LSTM that reads characters, as it is emitted and joined."""
    drawn = np.random.default_rng(4)
    emit = Emitter({}, 17)
    shapes = {
        "lm/W": (1, 4 * HIDDEN, 3),
        "lm/R": (1, 4 * HIDDEN, HIDDEN),
        "lm/B": (1, 8 * HIDDEN),
        "lm/table": (CHARACTERS, 3),
    }
    table = {
        name: emit.initializer(name, drawn.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()
    }
    embedded = emit.op("Gather", [table["lm/table"], "ids"], "lm/embedding", axis=0)
    weights = [table[name] for name in ("lm/W", "lm/R", "lm/B")]
    states = emit.op("LSTM", [embedded, *weights], "lm/lstm_0", hidden_size=HIDDEN)
    squeezed = emit.op("Squeeze", [states, emit.integers("lm/axis", [1])], "lm/squeeze")
    emit.fact(LanguageModel(squeezed, "lm"))
    flat = emit.op("Reshape", [squeezed, emit.integers("lm/flat", [-1, HIDDEN])], "lm/flatten")
    emit.op("Gather", [flat, "rows"], "words", axis=0)
    fragment = emit.fragment()
    graph = fragment.graph
    graph.name = "lstm"
    info = onnx.helper.make_tensor_value_info
    graph.input.extend([info("ids", 7, ["characters", "sentences"]), info("rows", 7, ["total"])])
    graph.output.append(info("words:0", 1, None))
    opset = onnx.helper.make_opsetid("", 17)
    return Model(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), {}, fragment.facts)


def looped() -> Model:
    return quantise(LowerLanguageModels()(language_model()))


def run(model: Model, ids: list[list[int]], rows: list[int]) -> np.ndarray:
    session = ort.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    [output] = session.run(None, {"ids": np.array(ids), "rows": np.array(rows)})
    return output


def test_one_lane_has_nearly_the_states_of_the_loop() -> None:
    ids = np.random.default_rng(5).integers(0, CHARACTERS, (40, 1)).tolist()
    rows = [0, 7, 39, 39, 3]
    exact = run(language_model(), ids, rows)
    alone = run(read_one_lane_apart(looped()), ids, rows)
    np.testing.assert_allclose(alone, exact, atol=0.05)
    assert np.abs(alone - run(looped(), ids, rows)).max() > 0  # another operator, with another rounding


@pytest.mark.parametrize(
    "ids",
    [[[1], [2], [RESET], [1], [2]], [[RESET]], [[1, 2], [3, 4], [0, 6]]],
    ids=["a reset in one lane", "nothing but a reset", "two lanes"],
)
def test_lanes_that_are_shared_take_the_loop(ids: list[list[int]]) -> None:
    rows = list(range(len(ids) * len(ids[0])))
    # The loop's table has 16 bits for each value: less than what the rounding of its states makes of it now and then.
    np.testing.assert_allclose(run(read_one_lane_apart(looped()), ids, rows), run(looped(), ids, rows), atol=0.01)


def test_no_weight_stands_in_the_file_twice() -> None:
    lowered = read_one_lane_apart(looped())
    table = (CHARACTERS + 1) * 4 * HIDDEN
    floats = [tensor for tensor in lowered.proto.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    assert all(np.prod(tensor.dims) < table for tensor in floats)
    whole = [tensor for tensor in lowered.proto.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    sizes = sorted(int(np.prod(tensor.dims)) for tensor in whole)
    assert sizes == sorted([4 * HIDDEN * HIDDEN, 2 * CHARACTERS * 4 * HIDDEN, 4 * HIDDEN, 4 * HIDDEN])


@pytest.mark.parametrize("most", [CHARACTERS - 1, CHARACTERS])
def test_a_large_dictionary_keeps_the_loop_alone(most: int) -> None:
    found = [node.op_type for node in ReadOneLaneApart(most)(looped()).proto.graph.node]
    assert ("If" in found) == (most == CHARACTERS)


@given(arrays(np.float32, (5, 4), elements=st.floats(-100, 100, width=32)))
def test_two_whole_numbers_hold_a_table_to_16_bits_and_no_pair_overflows(table: np.ndarray) -> None:
    values, scale = in_two_halves(table)
    first, second = values[: len(table)].astype(np.int64), values[len(table) :].astype(np.int64)
    np.testing.assert_allclose(
        (255 * first + second) / 255 * scale, table, atol=float(np.abs(table).max()) / 30000 + 1e-35
    )
    assert (np.abs(255 * first) + np.abs(second)).max() < 2**15


def test_a_tagger_tags_one_sentence_as_it_tags_many(shop: Workshop, folder: Path) -> None:
    path = shop.build(shop.spec(folder, proof=", tags_changed: 0.1"), profile="int8").path
    assert sum(node.op_type == "If" for node in onnx.load(path).graph.node) == 2
    tagger, sentences = Tagger(path), texts(40)
    alone = [tagger.tag([tokens])[0] for tokens in sentences]
    together = tagger.tag(sentences)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=0.05)
