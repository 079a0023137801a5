"""Other engines can run the emitted operators; onnx's reference evaluator represents them here."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from assembler.core.errors import ModelError, ParityError
from assembler.initialisation import write_spec
from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.model import Model
from assembler.passes.deduplication import deduplicate
from assembler.passes.directions import read_forwards
from assembler.passes.loops import LowerLanguageModels
from assembler.passes.profiles import PROFILES
from assembler.passes.quantisation import Quantise
from assembler.passes.rewriting import Rewriting
from assembler.passes.token_layers import LowerTokenLayers
from assembler.proof import evaluator
from assembler.workflows.engines import verdicts
from assembler.workflows.inspection import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.assembly.conftest import Resize, Workshop

_RECURRENT = {"LSTM": 4, "GRU": 3, "RNN": 1}
_LENGTHS = np.array([6, 2, 4], np.int32)


@pytest.fixture(autouse=True)
def _every_pass_at_every_size(resize: Resize) -> None:
    resize(LowerLanguageModels(), LowerTokenLayers(least_features=1), Quantise(least_values=1))


def layer(cell: str, opset: int = 17, *, direction: str = "bidirectional", lasts: bool = False) -> onnx.ModelProto:
    """Return one recurrent layer with lengths, its directions joined along the features, as torch exports them."""
    drawn, count = np.random.default_rng(0), 2 if direction == "bidirectional" else 1
    gates = 5 * _RECURRENT[cell]
    shapes = {"W": (count, gates, 3), "R": (count, gates, 5), "B": (count, 2 * gates)}
    arrays = {name: drawn.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    outputs = ["y", "y_h", "y_c"][: {"LSTM": 3}.get(cell, 2)] if lasts else ["y"]
    options = {"linear_before_reset": 1} if cell == "GRU" else {}
    nodes = [
        helper.make_node(
            cell, ["x", "W", "R", "B", "l"], outputs, name="layer", hidden_size=5, direction=direction, **options
        ),
        helper.make_node("Transpose", ["y"], ["turned"], name="turn", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["turned", "shape"], ["joined"], name="join"),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "layer",
        [info("x", TensorProto.FLOAT, ["t", "s", 3]), info("l", TensorProto.INT32, ["s"])],
        [info(name, TensorProto.FLOAT, None) for name in ("joined", *(outputs if lasts else []))],
        [*(numpy_helper.from_array(array, name) for name, array in arrays.items())],
    )
    graph.initializer.append(numpy_helper.from_array(np.array([0, 0, -1]), "shape"))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))


@pytest.mark.parametrize("lasts", [False, True], ids=["joined", "last states"])
@pytest.mark.parametrize("direction", ["bidirectional", "reverse"])
@pytest.mark.parametrize("opset", [14, 17, 21])
@pytest.mark.parametrize("cell", _RECURRENT)
def test_a_layer_that_reads_backwards_gives_the_same_bits_forwards(
    cell: str, opset: int, direction: str, *, lasts: bool
) -> None:
    before = layer(cell, opset, direction=direction, lasts=lasts)
    after = read_forwards(Model(before, {})).proto
    feeds = {"x": np.random.default_rng(1).normal(size=(6, 3, 3)).astype(np.float32), "l": _LENGTHS}
    for expected, given in zip(run(before, feeds), run(after, feeds), strict=True):
        assert np.array_equal(expected, given)
    assert list(unportable(after.graph)) == []
    inside = (np.arange(6)[:, None] < _LENGTHS)[:, :, None]
    [states, *_] = ReferenceEvaluator(after).run(None, feeds)
    np.testing.assert_allclose(states * inside, run(before, feeds)[0] * inside, atol=1e-6)


def unportable(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield what engines other than ONNX Runtime are known to get wrong, or to refuse."""
    fixed = {tensor.name for tensor in graph.initializer}
    known = set(fixed)
    for node in graph.node:  # what depends on initializers alone is folded when a model is loaded
        if node.input and set(node.input) - {""} <= known and not any(entry.HasField("g") for entry in node.attribute):
            known.update(node.output)
    for node in graph.node:
        options = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        if node.op_type in _RECURRENT and options.get("direction", b"forward") != b"forward" and any(node.input[4:5]):
            yield f"{node.name} reads backwards by lengths"
        if node.op_type == "DequantizeLinear":
            yield f"{node.name} is wrong on WebGPU"
        if node.op_type == "Scan":
            ways = [*options.get("scan_input_directions", []), *options.get("scan_output_directions", [])]
            if any(ways):
                yield f"{node.name} scans backwards"
            inner = {entry.name for entry in options["body"].input}
            inner |= {name for each in options["body"].node for name in each.output}
            for each in options["body"].node:
                for name in set(each.input) - inner - known - {""}:
                    yield f"{node.name} captures {name}"


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "cuda"])
@pytest.mark.parametrize("options", [{}, {"cell": "GRU"}, {"cell": "RNN"}, {"layers": 2}], ids=str)
def test_no_profile_but_cuda_emits_what_other_engines_get_wrong(
    shop: Workshop, tmp_path: Path, profile: str, options: dict[str, object]
) -> None:
    shop.save(shop.tagger(**options), tmp_path / "tagger.pt")
    built = shop.build(shop.spec(tmp_path), profile=profile, proof=False).path
    assert list(unportable(onnx.load(built).graph)) == []


def exported(seed: int, *, names: bool = False) -> onnx.ModelProto:
    """Return a language model, a projection and a head layer, as an exporter without node names writes them."""
    drawn = np.random.default_rng(seed)
    shapes = {
        "table": (7, 3), "W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32), "weight": (4, 4), "bias": (4,),
        "W2": (2, 16, 4), "R2": (2, 16, 4), "B2": (2, 32),
    }  # fmt: skip
    fixed = [numpy_helper.from_array(drawn.normal(size=shape).astype(np.float32), key) for key, shape in shapes.items()]
    fixed += [numpy_helper.from_array(np.array(value), key) for key, value in INTEGERS.items()]
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "ids"], ["embedded"]),
        node("LSTM", ["embedded", "W", "R", "B"], ["states"], hidden_size=4),
        node("Squeeze", ["states", "one"], ["squeezed"]),
        node("Reshape", ["squeezed", "flat"], ["flattened"]),
        node("Gather", ["flattened", "rows"], ["read"]),
        node("Shape", ["lengths"], ["count"]),
        node("Concat", ["count", "rest"], ["grid"], axis=0),
        node("Reshape", ["read", "grid"], ["padded"]),
        node("MatMul", ["padded", "weight"], ["product"]),
        node("Add", ["product", "bias"], ["projected"]),
        node("Transpose", ["projected"], ["first"], perm=[1, 0, 2]),
        node("Cast", ["lengths"], ["short"], to=TensorProto.INT32),
        node("LSTM", ["first", "W2", "R2", "B2", "short"], ["both"], hidden_size=4, direction="bidirectional"),
        node("Transpose", ["both"], ["turned"], perm=[0, 2, 1, 3]),
        node("Reshape", ["turned", "join"], ["out"]),
    ]
    for each in nodes if names else []:
        each.input[:] = [OURS.get(name, name) for name in each.input]
        each.output[:] = [OURS.get(name, name) for name in each.output]
    info = helper.make_tensor_value_info
    inputs = [
        info("ids", TensorProto.INT64, ["characters", "sentences"]),
        info("rows", TensorProto.INT64, ["total"]),
        info("lengths", TensorProto.INT64, ["sentences"]),
    ]
    graph = helper.make_graph(nodes, "lm", inputs, [info("out", TensorProto.FLOAT, ["t", "s", 8])], fixed)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


#: Names that passes like to give.
OURS = {
    "embedded": "loop/R", "squeezed": "reset/table", "read": "both/tokens/W", "product": "W2/folded",
    "turned": "W2/int8", "projected": "both/directions/axis", "grid": "weight/int8", "padded": "weight/half",
}  # fmt: skip
INTEGERS = {"one": [1], "flat": [-1, 4], "rest": [-1, 4], "join": [0, 0, -1]}

TWO_EXPORTED = """\
version: 1
name: two
sources:
  one: {onnx: one.onnx}
  other: {onnx: other.onnx}
inputs:
  ids: {type: int64, shape: [characters, sentences], range: [0, 6]}
  rows: {type: int64, shape: [total]}
  lengths: {type: int64, shape: [sentences]}
graph:
  a: {kind: onnx, weights: one, inputs: {ids: ids, rows: rows, lengths: lengths}}
  b: {kind: onnx, weights: other, inputs: {ids: ids, rows: rows, lengths: lengths}}
outputs:
  first: a.out
  second: b.out
"""


@pytest.mark.parametrize("names", [False, True], ids=["no names", "names of ours"])
@pytest.mark.parametrize("profile", PROFILES)
def test_two_language_models_of_one_exporter_stay_two_in_every_profile(
    shop: Workshop, tmp_path: Path, profile: str, *, names: bool
) -> None:
    for seed, name in enumerate(("one", "other")):
        onnx.save(exported(seed, names=names), tmp_path / f"{name}.onnx")
    built = shop.build(shop.spec(tmp_path, TWO_EXPORTED), profile=profile, proof=False).path
    drawn = np.random.default_rng(5)
    feeds = {"ids": drawn.integers(0, 7, (9, 3)), "rows": drawn.integers(0, 27, 18), "lengths": np.array([6, 2, 4])}
    given = shop.run(built, feeds)
    inside = (np.arange(6)[:, None] < feeds["lengths"])[:, :, None]
    near = {"int8": 0.06, "fp16": 0.01}.get(profile, 1e-6)
    for name, source in (("first", "one"), ("second", "other")):
        expected = shop.run(tmp_path / f"{source}.onnx", feeds)["out"]
        np.testing.assert_allclose(given[name] * inside, expected * inside, rtol=0, atol=near)
    nodes = [node.name for node in onnx.load(built).graph.node]
    assert "" not in nodes


@pytest.fixture
def text_spec(shop: Workshop, tmp_path: Path) -> Path:
    """Return a spec of a tagger that takes text."""
    shop.save(shop.tagger(labels=("NOUN", "VERB", "DET")), tmp_path / "tagger.pt")
    path = tmp_path / "text.yaml"
    path.write_text(write_spec(str(tmp_path / "tagger.pt"), tmp_path, text=True), encoding="utf-8")
    return path


def test_a_proof_of_portable_runs_the_evaluator_too(shop: Workshop, folder: Path, text_spec: Path) -> None:
    for spec in (shop.spec(folder), text_spec):
        result = shop.build(spec, profile="portable")
        assert result.proven is not None
        [note] = [note for note in result.proven.notes if "evaluator" in note]
        assert re.fullmatch(
            r"onnx's reference evaluator computes the same: "
            r"\d sentences of 1 to \d+ tokens, within .* \(allowed 1e-04\)",
            note,
        )
        [engine] = shop.metadata(result.path)["proof"]["engines"]
        assert (engine["engine"], engine["status"]) == ("onnx.reference", "passed")
    assert "engines" not in shop.metadata(shop.build(shop.spec(folder), profile="cpu").path)["proof"]


def test_a_proof_of_portable_fails_where_the_evaluator_computes_something_else(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does without the pass: the reverse direction then begins at the padding."""
    monkeypatch.setitem(PROFILES, "portable", replace(PROFILES["portable"], passes=lambda: (deduplicate,)))
    with pytest.raises(ParityError, match=r"P008 onnx's reference evaluator does not compute what ONNX Runtime"):
        shop.build(shop.spec(folder))
    assert not (folder / "stack.onnx").exists()


def test_a_model_of_our_own_kinds_must_run_in_the_evaluator(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        message = "no such operator"
        raise NotImplementedError(message)

    monkeypatch.setattr(evaluator, "_evaluator", refuse)
    with pytest.raises(ParityError, match=r"(?s)P008 .*it does not run: NotImplementedError: no such operator"):
        shop.build(shop.spec(folder))


def test_an_exported_subgraph_that_the_evaluator_does_not_know_is_reported(shop: Workshop, tmp_path: Path) -> None:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gelu", ["x"], ["y"], name="own", domain="com.microsoft")],
        "own",
        [info("x", TensorProto.FLOAT, ["n"])],
        [info("y", TensorProto.FLOAT, ["n"])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "own.onnx")
    result = shop.build(shop.spec(tmp_path, OWN))
    assert result.proven is not None
    assert any(note.startswith("not run in onnx's reference evaluator: NotImple") for note in result.proven.notes)
    [engine] = shop.metadata(result.path)["proof"]["engines"]
    assert engine["status"] == "not run"
    found = inspect(result.path)
    assert found.operators == {"com.microsoft": ["Gelu"]}
    assert dict(found.engines)["OpenVINO"] == "is not known to run operators of com.microsoft: Gelu"


OWN = """\
version: 1
name: own
sources:
  own: {onnx: own.onnx}
inputs:
  x: {type: float32, shape: [n]}
graph:
  own: {kind: onnx, weights: own, inputs: {x: x}}
outputs:
  y: own.y
"""


def test_a_stack_without_a_tagger_is_evaluated_too(shop: Workshop, tmp_path: Path) -> None:
    onnx.save(helper.make_model(
        helper.make_graph(
            [helper.make_node("Exp", ["x"], ["y"], name="e")], "own",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        ), opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    ), tmp_path / "own.onnx")  # fmt: skip
    result = shop.build(shop.spec(tmp_path, OWN))
    assert result.proven is not None
    assert any(
        note.startswith("onnx's reference evaluator computes the same: 2 sets of inputs")
        for note in result.proven.notes
    )


def test_large_numbers_may_differ_by_their_rounding_and_by_no_more(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> own (float[n] x) => (float[n] y) {
        e = Exp(x)
        by = Constant<value_float = 12345.6>()
        y = Mul(e, by)
    }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "own.onnx")
    assert shop.build(shop.spec(tmp_path, OWN)).proven is not None
    own = evaluator._evaluator

    class Changed:
        def __init__(self, *given: object) -> None:
            self._own = own(*given)
            self._by = by

        def run(self, *given: object) -> list:
            return [each * np.float32(self._by) for each in self._own.run(*given)]

    monkeypatch.setattr(evaluator, "_evaluator", Changed)
    by = 1 + 1e-6  # as much as another order of the additions can make
    assert shop.build(shop.spec(tmp_path, OWN)).proven is not None
    by = 1.001  # of a stranger's operators we cannot tell which of the two is right, so that is said
    built = shop.build(shop.spec(tmp_path, OWN))
    assert built.proven is not None
    differs = "onnx's reference evaluator computes something else: y: differs"
    assert any(note.startswith(differs) for note in built.proven.notes)
    entries = {entry.key: entry.value for entry in onnx.load(built.path).metadata_props}
    assert json.loads(entries["assembler.proof"])["engines"][0]["status"] == "failed"


def test_what_stops_an_engine_is_read_from_the_file(shop: Workshop, folder: Path) -> None:
    portable = dict(inspect(shop.build(shop.spec(folder), proof=False).path).engines)
    compared, free = (
        "is the engine in which the file was compared with its source",
        "nothing in the file is known to stop it",
    )
    assert set(portable.values()) == {compared, free}
    cuda = dict(inspect(shop.build(shop.spec(folder), profile="cuda", proof=False).path).engines)
    assert cuda["OpenVINO"] == "computes wrong states without an error: 'head/lstm_0' reads backwards by lengths"
    assert cuda["onnxruntime-web on WebGPU"] == "nothing in the file is known to stop it"


def test_a_body_that_reads_what_is_computed_outside_is_an_obstacle() -> None:
    graph = onnx.parser.parse_graph("""
      g (float[t, s] x) => (float[t, s] y) {
        shift = Abs(x)
        n = Scan<num_scan_inputs = 1, scan_input_directions = [1], body = b (float[s] e) => (float[t, s] o) {
          o = Add(e, shift)
        }>(x)
        y = DequantizeLinear(n, n)
      }""")
    found = dict(verdicts(graph))
    assert found["OpenVINO"].startswith("refuses '")
    assert found["OpenVINO"].endswith("whose body reads 'shift' from outside")
    assert found["onnx.reference"].endswith("which scans backwards")
    assert "dequantises" in found["onnxruntime-web on WebGPU"]


def test_a_handful_of_sentences_has_different_lengths() -> None:
    sentences = [["a"], ["b", "c"], ["x" * 50], ["d", "e", "f"], ["g"] * 9, ["h", "i", "j"], ["k"] * 12, ["l"] * 15]
    assert [len(tokens) for tokens in evaluator.handful(sentences)] == [1, 3, 9, 15]
    assert evaluator.handful([["y" * 60], ["x" * 50]]) == [["x" * 50]]


def test_a_name_that_an_exported_subgraph_uses_is_left_to_it() -> None:
    rewriting = Rewriting(Model(layer("LSTM"), {}))
    rewriting.add("layer/directions/axis", np.array([3]))
    assert rewriting.scope("layer/directions") == "layer/directions~2"
    assert rewriting.scope("layer/directions") == "layer/directions~3"


def test_no_array_takes_the_place_of_another_even_if_it_is_equal() -> None:
    rewriting = Rewriting(Model(layer("LSTM"), {}))
    assert rewriting.add("own", np.array([1])) == "own"
    for name in ("own", "W", "x", "turned"):
        with pytest.raises(ModelError, match=f"M020 two tensors would have the name '{name}' after"):
            rewriting.add(name, np.array([1]))


def test_no_two_operators_give_one_tensor() -> None:
    rewriting = Rewriting(Model(layer("LSTM"), {}))
    [node] = rewriting.nodes("Transpose")
    again = helper.make_node("Identity", ["y"], ["joined"], name="again")
    with pytest.raises(ModelError, match=r"M020 two tensors would have the name 'joined' after this profile's passes"):
        rewriting.replace(node, [node, again])


def test_what_was_emitted_takes_no_name_of_the_models() -> None:
    rewriting = Rewriting(Model(layer("LSTM"), {}))
    [node] = rewriting.nodes("Transpose")
    emit = Emitter({}, 17)
    emit.output("turned", emit.op("Transpose", [emit.initializer("R", np.zeros((1, 2)))], "again"))
    with pytest.raises(ModelError, match=r"M020 two tensors would have the name 'R' after this profile's passes"):
        rewriting.replace_by_fragment(node, emit.fragment())
