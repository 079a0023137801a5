"""The head's recurrent layer as a loop over tokens: the states of ONNX's own `LSTM`, with padding left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.model import Model
from assembler.passes.token_layers import LowerTokenLayers
from assembler.runtime import Tagger
from tests.assembly.test_profiles import differences, texts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Resize, Workshop

FEATURES, HIDDEN = 6, 4
lower_token_layers = LowerTokenLayers(least_features=1)


@pytest.fixture(autouse=True)
def _at_every_size(resize: Resize) -> None:
    resize(lower_token_layers)


def layer(directions: int, *, opset: int = 17, counted: bool = True, features: int = FEATURES) -> Model:
    """Return a layer over padded tokens, as a head is emitted: [sentences, tokens, features] and counts in."""
    drawn = np.random.default_rng(1)
    emit = Emitter({}, opset)
    shapes = {
        "W": (directions, 4 * HIDDEN, features),
        "R": (directions, 4 * HIDDEN, HIDDEN),
        "B": (directions, 8 * HIDDEN),
    }
    weights = [emit.initializer(name, drawn.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()]
    first = emit.op("Transpose", ["x"], "tokens_first", perm=[1, 0, 2])
    counts = [emit.op("Cast", ["lengths"], "counts", to=6)] if counted else []
    direction = "forward" if directions == 1 else "bidirectional"
    emit.op("LSTM", [first, *weights, *counts], "head/lstm_0", hidden_size=HIDDEN, direction=direction)
    graph = emit.fragment().graph
    info = onnx.helper.make_tensor_value_info
    graph.input.extend(
        [info("x", 1, ["sentences", "tokens", features]), info("lengths", 7, ["sentences"])][: 1 + counted]
    )
    graph.output.append(info("head/lstm_0:0", 1, None))
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    return Model(proto, {})


def run(model: Model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = ort.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    [output] = session.run(None, feeds)
    return output


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("opset", [13, 17, 18, 22])
@pytest.mark.parametrize("lengths", [[1], [7], [7, 1, 3], [1, 1], [2, 5, 5, 1, 4, 2], [3, 0]], ids=str)
def test_the_loop_gives_the_operators_states_and_zeros_behind_each_sentence(
    directions: int, opset: int, lengths: list[int]
) -> None:
    model = layer(directions, opset=opset)
    given = np.random.default_rng(2).normal(size=(len(lengths), max(lengths), FEATURES)).astype(np.float32)
    feeds = {"x": given, "lengths": np.array(lengths)}
    lowered = lower_token_layers(model)
    assert "LSTM" not in {node.op_type for node in lowered.proto.graph.node}
    wanted, states = run(model, feeds), run(lowered, feeds)
    assert states.shape == (max(lengths), directions, len(lengths), HIDDEN)
    np.testing.assert_allclose(states, wanted, atol=1e-6)
    behind = np.arange(max(lengths))[:, None] >= np.array(lengths)
    assert not states.transpose(0, 2, 1, 3)[behind].any()


@pytest.mark.parametrize("lengths", [[4, 3], [-1, 3], [3], [3, 3, 3]], ids=str)
def test_counts_that_do_not_fit_fail(lengths: list[int]) -> None:
    feeds = {"x": np.zeros((2, 3, FEATURES), np.float32), "lengths": np.array(lengths)}
    with pytest.raises(Exception, match=r"(?i)bounds|reshape"):
        run(lower_token_layers(layer(2)), feeds)


def test_two_layers_without_names_keep_their_own_weights() -> None:
    model = layer(2)
    graph = model.proto.graph
    [node] = [node for node in graph.node if node.op_type == "LSTM"]
    second = onnx.NodeProto()
    second.CopyFrom(node)
    node.name = second.name = ""
    second.input[2], second.output[0] = "R2", "second"
    other = onnx.numpy_helper.to_array(next(tensor for tensor in graph.initializer if tensor.name == "R")) * 2
    graph.initializer.append(onnx.numpy_helper.from_array(other, "R2"))
    graph.node.append(second)
    graph.output.append(onnx.helper.make_tensor_value_info("second", 1, None))
    feeds = {"x": np.ones((2, 3, FEATURES), np.float32), "lengths": np.array([3, 2])}
    wanted, given = (
        ort.InferenceSession(each.proto.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)
        for each in (model, lower_token_layers(model))
    )
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3
    for one, own in zip(wanted, given, strict=True):
        np.testing.assert_allclose(own, one, atol=1e-6)


def test_padded_places_are_not_projected() -> None:
    lowered = lower_token_layers(layer(2))
    lowered.proto.graph.output.append(onnx.helper.make_tensor_value_info("head/lstm_0:0/tokens/projection:0", 1, None))
    session = ort.InferenceSession(lowered.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    given = np.zeros((3, 9, FEATURES), np.float32)
    _, projected = session.run(None, {"x": given, "lengths": np.array([9, 1, 2])})
    assert projected.shape == (12, 2 * 4 * HIDDEN)


@pytest.mark.parametrize("options", [{"counted": False}, {"features": HIDDEN}], ids=str)
def test_layers_that_gain_nothing_keep_their_operator(options: dict[str, Any]) -> None:
    model = layer(2, **options)
    assert [node.op_type for node in lower_token_layers(model).proto.graph.node] == [
        node.op_type for node in model.proto.graph.node
    ]


@pytest.mark.parametrize("options", [{}, {"layers": 2}, {"reproject": False}, {"cell": "GRU"}], ids=str)
def test_heads_of_every_shape_give_flairs_tags_and_scores(
    shop: Workshop, tmp_path: Path, options: dict[str, Any]
) -> None:
    from flair.models import SequenceTagger

    shop.save(shop.tagger(**options), tmp_path / "tagger.pt")
    path = shop.build(shop.spec(tmp_path), profile="cpu").path
    loops = [node.name for node in onnx.load(path).graph.node if node.op_type == "Scan" and "head" in node.name]
    assert len(loops) == (0 if options.get("cell") == "GRU" else 1)
    sentences = texts(40)
    expected = shop.flair_tags(SequenceTagger.load(tmp_path / "tagger.pt"), sentences)
    assert differences(Tagger(path), expected, sentences) == (0, pytest.approx(0, abs=1e-5))
