"""Passes know what a node is by the facts its emitter left, and no name tells them anything else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.facts import LanguageModel, Loop, Projection, Reset
from assembler.onnx_model.fragment import INLINE_BYTES
from assembler.onnx_model.model import Model
from assembler.onnx_model.names import Names, NameTakenError
from assembler.passes.half_precision import Halve
from assembler.passes.loops import LowerLanguageModels
from assembler.passes.profiles import PROFILES
from assembler.passes.quantisation import Quantise
from assembler.passes.recognition import with_recognised
from assembler.passes.reset_character import AddResetCharacter
from assembler.passes.rewriting import Rewriting
from assembler.passes.token_layers import LowerTokenLayers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Resize, Workshop

HIDDEN, CHARACTERS = 4, 7


def weights(**shapes: tuple[int, ...]) -> list[onnx.TensorProto]:
    drawn = np.random.default_rng(0)
    return [numpy_helper.from_array(drawn.normal(size=s).astype(np.float32), name) for name, s in shapes.items()]


# --- where facts come from


def test_our_own_language_models_are_known_by_facts_and_a_pass_changes_these(shop: Workshop, folder: Path) -> None:
    joined = shop.joined(shop.spec(folder))
    known = [(fact.part, fact.tensor) for fact in joined.facts if isinstance(fact, LanguageModel)]
    assert known == [(part, f"{part}/lstm_0/squeeze:0") for part in ("forward_lm", "backward_lm")]
    lowered = LowerLanguageModels()(joined)
    assert not any(isinstance(fact, LanguageModel) for fact in lowered.facts)
    loops = [fact.tensor for fact in lowered.facts if isinstance(fact, Loop)]
    made = {name: node.op_type for node in lowered.proto.graph.node for name in node.output}
    assert [made[tensor] for tensor in loops] == ["Scan", "Scan"]
    assert [fact.part for fact in lowered.facts if isinstance(fact, Reset)] == ["forward_lm", "backward_lm"]
    assert lowered.resets.keys() == AddResetCharacter()(joined).resets.keys() == {"forward_lm", "backward_lm"}


def test_a_language_model_of_two_layers_is_left_as_it_is(shop: Workshop, tmp_path: Path) -> None:
    models = [shop.language_model(forward=forward, layers=2) for forward in (True, False)]
    shop.save(shop.tagger(shop.embeddings(*models, with_whitespace=False)), tmp_path / "tagger.pt")
    joined = shop.joined(shop.spec(tmp_path))
    for lower in (LowerLanguageModels(), AddResetCharacter()):
        assert lower(joined).proto == joined.proto


def test_what_feeds_no_output_is_no_fact(shop: Workshop, tmp_path: Path) -> None:
    onnx.save(exported(), tmp_path / "lm.onnx")
    whole, cut = (shop.joined(shop.spec(tmp_path, LOOKED_AT, output=name)) for name in ("out", "table_out"))
    assert [fact.tensor for fact in whole.facts] == ["lm/squeezed"]
    assert not cut.facts


def test_a_fact_that_is_not_true_is_a_bug_that_is_seen(shop: Workshop, folder: Path) -> None:
    joined = shop.joined(shop.spec(folder))
    for tensor in ("nothing gives it", "forward", "forward_words/gather:0"):
        with pytest.raises(LookupError):
            LowerLanguageModels()(replace(joined, facts=(LanguageModel(tensor, "lm"),)))


# --- exported subgraphs, of which nobody says anything


def exported(opset: int = 17, **options: Any) -> onnx.ModelProto:  # noqa: ANN401 - of any kind
    """Return a language model without a name on any operator, whose file also hands out a table."""
    axes = numpy_helper.from_array(np.array(options.get("axes", [1])), "axes")
    squeeze = helper.make_node("Squeeze", ["states", "axes"], ["squeezed"])
    constants = []
    if opset < 13:
        squeeze = helper.make_node("Squeeze", ["states"], ["squeezed"], axes=options.get("axes", [1]))
    elif options.get("constant"):
        constants = [helper.make_node("Constant", [], ["axes"], value=axes)]
    direction = options.get("direction", "forward")
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["embedded"], axis=options.get("axis", 0)),
        helper.make_node("LSTM", ["embedded", "W", "R", "B"], ["states"], hidden_size=HIDDEN, direction=direction),
        *constants,
        squeeze,
        helper.make_node("Reshape", ["squeezed", "flat"], ["flattened"]),
        helper.make_node("Gather", ["flattened", "rows"], ["out"]),
        helper.make_node("Identity", ["table"], ["table_out"]),
    ]
    sizes = {"W": (1, 4 * HIDDEN, 3), "R": (1, 4 * HIDDEN, HIDDEN), "B": (1, 8 * HIDDEN)}
    fixed = weights(table=(CHARACTERS, 3), **sizes)
    fixed.append(numpy_helper.from_array(np.array([-1, HIDDEN]), "flat"))
    fixed += [axes] if opset >= 13 and not constants else []
    info = helper.make_tensor_value_info
    inputs = [info("ids", TensorProto.INT64, ["c", "s"]), info("rows", TensorProto.INT64, ["total"])]
    outputs = [info("out", TensorProto.FLOAT, ["total", HIDDEN]), info("table_out", TensorProto.FLOAT, [CHARACTERS, 3])]
    graph = helper.make_graph(nodes, "lm", inputs, outputs, fixed)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


LOOKED_AT = """\
version: 1
name: one
sources:
  lm: {onnx: lm.onnx}
inputs:
  ids: {type: int64, shape: [characters, sentences], range: [0, 6]}
  rows: {type: int64, shape: [total]}
graph:
  lm: {kind: onnx, weights: lm, inputs: {ids: ids, rows: rows}}
outputs:
  result: lm.<output>
"""


def recognised(model: onnx.ModelProto) -> list[str]:
    """Return what is recognised in a graph once it is a part."""
    emit = Emitter({"ids": 1, "rows": 1}, model.opset_import[0].version)
    emit.graft(model.graph, {}, {"out": "out"}, {"": emit.opset})
    return [fact.tensor for fact in with_recognised(emit.fragment()).facts]


@pytest.mark.parametrize("options", [{}, {"constant": True}, {"opset": 11}, {"axes": [-3]}], ids=str)
def test_a_language_model_in_an_exported_subgraph_is_recognised_by_what_it_computes(options: dict[str, Any]) -> None:
    assert recognised(exported(**options)) == ["squeezed"]


@pytest.mark.parametrize("options", [{"axes": [0]}, {"axis": 1}, {"direction": "reverse"}], ids=str)
def test_what_only_looks_like_a_language_model_is_none(options: dict[str, Any]) -> None:
    assert recognised(exported(**options)) == []


def test_what_an_emitter_said_is_not_said_twice() -> None:
    emit = Emitter({"ids": 1, "rows": 1}, 17)
    emit.graft(exported().graph, {}, {"out": "out"}, {"": 17})
    emit.fact(LanguageModel("squeezed"))
    assert with_recognised(emit.fragment()).facts == (LanguageModel("squeezed"),)


@pytest.mark.parametrize("profile", ["cpu", "int8"])
def test_an_exported_language_model_is_lowered_and_gives_the_same(
    shop: Workshop, tmp_path: Path, resize: Resize, profile: str
) -> None:
    resize(LowerLanguageModels())
    onnx.save(exported(), tmp_path / "lm.onnx")
    built = shop.build(shop.spec(tmp_path, LOOKED_AT, output="out"), profile=profile, proof=False).path
    assert [node.name for node in onnx.load(built).graph.node if node.op_type == "Scan"] == ["lm/loop"]
    feeds = {"ids": np.random.default_rng(1).integers(0, CHARACTERS, (9, 3)), "rows": np.arange(27)}
    expected = shop.run(tmp_path / "lm.onnx", feeds)["out"]
    np.testing.assert_allclose(shop.run(built, feeds)["result"], expected, rtol=0, atol=1e-6)


INITIAL = """\
version: 1
name: initial
sources:
  own: {onnx: own.onnx}
inputs:
  ids: {type: int64, shape: [characters, sentences], range: [0, 6]}
  rows: {type: int64, shape: [total]}
graph:
  own: {kind: onnx, weights: own, inputs: {ids: ids, rows: rows}}
outputs:
  result: own.out
"""


@pytest.mark.parametrize("given_first", ["initial_h", "initial_c", "peepholes"])
@pytest.mark.parametrize("profile", [*PROFILES])
def test_a_layer_that_begins_with_states_or_has_peepholes_keeps_them(
    shop: Workshop, tmp_path: Path, resize: Resize, profile: str, given_first: str
) -> None:
    resize(LowerLanguageModels(), LowerTokenLayers(least_features=1), Quantise(least_values=1))
    model = exported()
    [layer] = [node for node in model.graph.node if node.op_type == "LSTM"]
    place = {"initial_h": 5, "initial_c": 6, "peepholes": 7}[given_first]
    layer.input.extend([*[""] * (place - len(layer.input)), "first"])
    shape = (1, 3 * HIDDEN) if given_first == "peepholes" else (1, 3, HIDDEN)
    model.graph.initializer.extend(weights(first=shape))
    onnx.save(model, tmp_path / "own.onnx")
    plain = exported()
    onnx.save(plain, tmp_path / "plain.onnx")
    built = shop.build(shop.spec(tmp_path, INITIAL), profile=profile, proof=False).path
    feeds = {"ids": np.random.default_rng(1).integers(0, CHARACTERS, (9, 3)), "rows": np.arange(27)}
    expected = shop.run(tmp_path / "own.onnx", feeds)["out"]
    assert np.abs(expected - shop.run(tmp_path / "plain.onnx", feeds)["out"]).max() > 0.01
    np.testing.assert_allclose(shop.run(built, feeds)["result"], expected, rtol=0, atol=1e-6)


# --- names say nothing


def product(name: str) -> Model:
    """Return a product of a matrix, under a name."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], [f"{name}:0"], name=name)],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 6])],
        [helper.make_tensor_value_info(f"{name}:0", TensorProto.FLOAT, [None, 5])],
        weights(weight=(6, 5)),
    )
    return Model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), {})


def test_a_product_is_rounded_twice_because_of_a_fact_and_not_because_of_its_name() -> None:
    fact = Projection("own:0")
    for model, rounds in (
        (product("head/lstm_0:0/tokens/projection"), 1),
        (product("own"), 1),
        (replace(product("own"), facts=(fact,)), 2),
    ):
        rounded = Quantise(least_values=1)(model)
        found = [node.op_type for node in rounded.proto.graph.node]
        assert found.count("MatMulIntegerToFloat") == rounds
        assert not rounded.facts  # what gives the tensor now is no `MatMul`


def test_facts_about_what_no_output_needs_any_more_are_gone() -> None:
    model = product("own")
    model.proto.graph.node.append(helper.make_node("Neg", ["own:0"], ["out"], name="out"))
    model.proto.graph.output[0].name = "out"
    rewriting = Rewriting(replace(model, facts=(Projection("own:0"), Projection("out"))))
    assert rewriting.model().facts == (Projection("own:0"), Projection("out"))
    rewriting.replace(rewriting.nodes("Neg")[0], [helper.make_node("Exp", ["x"], ["out"], name="out")])
    assert rewriting.model().facts == (Projection("out"),)


def test_operators_that_a_pass_adds_have_names_of_their_own() -> None:
    model = product("weight/cast")  # the name that the pass gives
    halved = Halve(least_values=1)(replace(model, weights=held(model)))
    nodes = {node.op_type: node.name for node in halved.proto.graph.node}
    assert nodes == {"Cast": "weight/cast", "MatMul": "weight/cast:0"}


def held(model: Model) -> dict[str, np.ndarray]:
    """Return the weights of a model, as if they were large."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}


@pytest.mark.parametrize("name", ["a", "a/b"])
def test_a_name_is_claimed_once(name: str) -> None:
    names = Names([name])
    with pytest.raises(NameTakenError, match=f"^the name '{name}' is taken$"):
        names.claim(name)
    names.release([name])
    assert names.claim(name) == name


def test_a_fresh_name_can_be_claimed_once_and_a_scope_holds_nothing() -> None:
    names = Names(["a", "loop/R", "loop~2:0"])
    assert [names.fresh("a"), names.fresh("a"), names.fresh("b"), names.fresh("loop")] == ["a~2", "a~3", "b", "loop"]
    assert names.scope("loop") == "loop~3"
    assert names.claim("a~2") == "a~2"
    with pytest.raises(NameTakenError):
        names.claim("a~2")
    names.fresh("under/it")
    assert names.scope("under") == "under~2"


WORDS = st.text(st.sampled_from("ab/:~2"), min_size=1, max_size=4)


@given(st.lists(WORDS), st.lists(st.tuples(st.booleans(), WORDS)))
def test_no_name_is_given_twice(taken: list[str], asked: list[tuple[bool, str]]) -> None:
    names = Names(taken)
    given_out = [names.scope(name) if scope else names.fresh(name) for scope, name in asked]
    assert len({*given_out}) == len(given_out)
    assert not {*given_out} & {*taken}


def test_two_weights_of_a_part_cannot_have_one_name() -> None:
    emit = Emitter({"x": 1}, 17)
    emit.initializer("weight", np.zeros(3))
    body = emit.body("loop")
    body.argument("h", "float32", 2)
    for again in (
        lambda: emit.initializer("weight", np.zeros(3)),
        lambda: emit.initializer("x", np.zeros(3)),
        lambda: emit.initializer("loop/h", np.zeros(3)),
    ):
        with pytest.raises(NameTakenError):
            again()


# --- what a part holds


def test_a_part_counts_all_real_numbers_and_of_whole_ones_the_large_tables_alone() -> None:
    emit = Emitter({}, 17)
    emit.initializer("scale", np.zeros((), np.float32))
    emit.initializer("half", np.zeros(3, np.float16))
    emit.initializer("double", np.zeros(5, np.float64))
    emit.initializer("large", np.zeros((20, 30), np.float32))
    emit.integers("axes", [0, 1])
    emit.initializer("mask", np.zeros(7, np.bool_))
    assert emit.fragment().weight_count() == 1 + 3 + 5 + 600
    emit.initializer("table", np.zeros(INLINE_BYTES // 8 + 1, np.int64))
    assert emit.fragment().weight_count() == 609 + INLINE_BYTES // 8 + 1
