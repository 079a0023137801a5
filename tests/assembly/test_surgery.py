"""Parts that use the same names for different things compute together what they compute alone."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from assembler.core.errors import ModelError, SourceError
from assembler.onnx_model.renaming import rename_tensors
from assembler.onnx_subgraphs.conversion import plain_reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.onnx_model.emitter import Emitter
    from tests.assembly.conftest import Workshop

ROWS = np.random.default_rng(4).standard_normal((5, 4)).astype(np.float32)

TWO = """\
version: 1
name: two
opset: <opset>
sources:
  a: {onnx: a.onnx}
  b: {onnx: b.onnx}
inputs: {x: {type: float32, shape: [n, 4]}}
graph:
  first:  {kind: onnx, weights: a, inputs: {x: x}}
  second: {kind: onnx, weights: b, inputs: {x: x}}
outputs: {left: first.y, right: second.y}
"""

ONE = """\
version: 1
name: one
opset: <opset>
sources: {m: {onnx: m.onnx<more>}}
inputs: {<inputs>}
graph:
  part: {kind: onnx, weights: m, inputs: {<feeds>}}
outputs: {<outputs>}
"""


def one(shop: Workshop, folder: Path, model: onnx.ModelProto, **changes: str) -> Path:
    """Write a spec of one exported subgraph, `x` to `y` unless told otherwise."""
    onnx.save(model, folder / "m.onnx")
    usual = {"inputs": "x: {type: float32, shape: [n, 4]}", "feeds": "x: x", "outputs": "result: part.y", "more": ""}
    return shop.spec(folder, ONE, **{**usual, **changes})


def linear(seed: int, *, large: bool = True) -> onnx.ModelProto:
    """Return `(x @ weight) @ back` as an exporter writes it: all names are the same whatever the weights."""
    width = 100 if large else 2
    draw = np.random.default_rng(seed)
    weight = numpy_helper.from_array(draw.standard_normal((4, width)).astype(np.float32), "weight")
    back = numpy_helper.from_array(draw.standard_normal((width, 4)).astype(np.float32), "back")
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["/MatMul_output_0"], name="/MatMul"),
        helper.make_node("MatMul", ["/MatMul_output_0", "back"], ["y"], name="/MatMul_1"),
    ]
    return exported(nodes, [weight, back])


def exported(
    nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], opset: int = 17, **options: object
) -> onnx.ModelProto:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "main_graph", ports[:1], ports[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **{"ir_version": 8, **options})


def alone(shop: Workshop, path: Path, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    return shop.run(path, inputs)["y"]


def assert_both_alone(shop: Workshop, folder: Path) -> Path:
    """Build the two files, and compare both outputs with those of the files alone, which must differ."""
    built = shop.build(shop.spec(folder, TWO)).path
    result = shop.run(built, {"x": ROWS})
    expected = [alone(shop, folder / f"{name}.onnx", {"x": ROWS}) for name in "ab"]
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(result["left"], expected[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(result["right"], expected[1], rtol=0, atol=1e-5)
    return built


@pytest.mark.parametrize("large", [True, False], ids=["stubs", "inline"])
def test_parts_of_one_exporter_never_share_a_weight_by_accident(shop: Workshop, tmp_path: Path, *, large: bool) -> None:
    onnx.save(linear(1, large=large), tmp_path / "a.onnx")
    onnx.save(linear(2, large=large), tmp_path / "b.onnx")
    built = assert_both_alone(shop, tmp_path)
    names = [tensor.name for tensor in onnx.load(built).graph.initializer]
    assert sorted(names) == ["first/back", "first/weight", "second/back", "second/weight"]


def test_local_functions_of_one_name_stay_apart(shop: Workshop, tmp_path: Path) -> None:
    for name, operator in (("a", "Relu"), ("b", "Neg")):
        model = shop.model(
            f"""<ir_version: 8, opset_import: ["": 17, "local": 1]>
            g (float[n, 4] x) => (float[n, 4] y) {{ y = local.act(x) }}
            <domain: "local", opset_import: ["": 17]> act (a) => (b) {{ b = {operator}(a) }}"""
        )
        onnx.save(model, tmp_path / f"{name}.onnx")
    built = assert_both_alone(shop, tmp_path)
    assert not onnx.load(built).functions
    assert [entry.domain for entry in onnx.load(built).opset_import] == [""]


def test_a_function_of_another_opset_is_inlined_too(shop: Workshop, tmp_path: Path) -> None:
    model = shop.model(
        """<ir_version: 8, opset_import: ["": 17, "local": 1]>
        g (float[n, 4] x) => (float[n, 4] y) { y = local.act(x) }
        <domain: "local", opset_import: ["": 16]> act (a) => (b) { b = Relu(a) }"""
    )
    built = shop.build(one(shop, tmp_path, model)).path
    np.testing.assert_array_equal(shop.run(built, {"x": ROWS})["result"], np.maximum(ROWS, 0))
    assert [node.op_type for node in onnx.load(built).graph.node] == ["Relu"]


def test_operators_of_another_domain_are_kept(shop: Workshop, tmp_path: Path) -> None:
    model = shop.model(
        """<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1, "unused": 3]>
        g (float[n, 4] x) => (float[n, 4] y) { y = com.microsoft.Gelu(x) }"""
    )
    built = shop.build(one(shop, tmp_path, model)).path
    assert [(e.domain, e.version) for e in onnx.load(built).opset_import] == [("", 17), ("com.microsoft", 1)]
    np.testing.assert_array_equal(shop.run(built, {"x": ROWS})["result"], alone(shop, tmp_path / "m.onnx", {"x": ROWS}))


def two_of_a_domain(shop: Workshop, folder: Path, versions: tuple[int, int], first: str) -> Path:
    """Write a stack of two files that have another version of ai.onnx.ml each."""
    second = 'y = ai.onnx.ml.Normalizer <norm = "L1"> (x)'
    for name, version, text in zip("ab", versions, (first or second, second), strict=True):
        model = shop.model(
            f"""<ir_version: 8, opset_import: ["": 17, "ai.onnx.ml": {version}]>
            g (float[n, 4] x) => (float[n, 4] y) {{ {text} }}"""
        )
        onnx.save(model, folder / f"{name}.onnx")
    return shop.spec(folder, TWO)


@pytest.mark.parametrize("versions", [(2, 3), (3, 2), (1, 5)])
def test_parts_with_two_versions_of_a_domain_are_joined_where_no_operator_differs(
    shop: Workshop, tmp_path: Path, versions: tuple[int, int]
) -> None:
    built = shop.build(two_of_a_domain(shop, tmp_path, versions, ""))
    assert built.proven is not None
    imports = {entry.domain: entry.version for entry in onnx.load(built.path).opset_import}
    assert imports["ai.onnx.ml"] == max(versions)


def test_an_operator_that_another_version_of_its_domain_has_not_got_is_named(shop: Workshop, tmp_path: Path) -> None:
    trees = """t = ai.onnx.ml.TreeEnsembleRegressor <n_targets = 1, nodes_treeids = [0], nodes_nodeids = [0],
        nodes_featureids = [0], nodes_values = [0.0], nodes_modes = ["LEAF"], nodes_truenodeids = [0],
        nodes_falsenodeids = [0], target_treeids = [0], target_nodeids = [0], target_ids = [0], target_weights = [1.0]
        > (x)
        y = Add(x, t)"""
    with pytest.raises(ModelError) as caught:
        shop.build(two_of_a_domain(shop, tmp_path, (3, 5), trees))
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == (
        "M003",
        "'first' uses version 3 of the operator domain 'ai.onnx.ml', 'second' uses version 5",
    )
    assert problem.hint is not None
    assert problem.hint.endswith("TreeEnsembleRegressor differ between these")


# Names that the assembler itself gives: inputs and outputs of the stack, prefixed tensors, its own Identity nodes.
HOSTILE = ["forward", "scores", "head/linear/weight", "part/x", "output/y:0", "output/x:0", "result", "y_", "part"]


def test_names_of_ours_in_a_users_file_mean_the_users_tensors(shop: Workshop, tmp_path: Path) -> None:
    previous, nodes, initializers = "x", [], []
    for index, name in enumerate(HOSTILE):
        initializers.append(numpy_helper.from_array(np.float32(index + 1), f"output/{index}" if index else "lengths"))
        weight = initializers[-1].name
        nodes.append(helper.make_node("Add" if index % 2 else "Mul", [previous, weight], [name], name=f"output/{name}"))
        previous = name
    nodes.append(helper.make_node("Neg", [previous], ["y"], name="output/x"))
    model = exported(nodes, initializers)
    model.graph.output.append(model.graph.input[0])  # handed through: it gets an Identity of ours
    built = shop.build(one(shop, tmp_path, model, outputs="scores: part.y, result: part.y, x_: part.x")).path
    result = shop.run(built, {"x": ROWS})
    expected = alone(shop, tmp_path / "m.onnx", {"x": ROWS})
    np.testing.assert_array_equal(result["scores"], expected)
    np.testing.assert_array_equal(result["result"], expected)
    np.testing.assert_array_equal(result["x_"], ROWS)


def test_a_users_file_that_uses_our_names_sits_beside_a_tagger(shop: Workshop, folder: Path) -> None:
    zeros = numpy_helper.from_array(np.zeros((16, 16), np.float32), "head/reprojection/weight")
    nodes = [
        helper.make_node("MatMul", ["forward", "head/reprojection/weight"], ["scores"], name="head/softmax"),
        helper.make_node("Add", ["scores", "forward"], ["prediction"], name="forward_lm/lstm_0"),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 16]) for name in ("forward", "prediction")]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], [zeros])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    spec = shop.spec(folder)
    text = spec.read_text().replace("sources:\n", "sources:\n  user: {onnx: m.onnx}\n")
    text = text.replace("embeddings: words.rows", "embeddings: user.prediction")
    text = text.replace("  head:\n", "  user: {kind: onnx, weights: user, inputs: {forward: words.rows}}\n  head:\n")
    spec.write_text(text)
    result = shop.build(spec)
    assert result.proven is not None
    assert result.proven.against == "tagger"


CONTROL = {
    "If": """
        two = Constant <value_float = 2.0> ()
        total = ReduceSum <keepdims = 0> (x)
        zero = Constant <value_float = 0.0> ()
        positive = Greater(total, zero)
        y = If(positive) <
            then_branch = g1 () => (float[n, 4] y1) { y1 = Mul(x, w) },
            else_branch = g2 () => (float[n, 4] y2) { weight = Mul(two, x) y2 = Sub(weight, w) }
        >""",
    "Loop": """
        trips = Constant <value_int = 3> ()
        go = Constant <value = bool {1}> ()
        y = Loop(trips, go, x) <
            body = b (int64 i, bool c, float[n, 4] state) => (bool again, float[n, 4] next)
                { again = Identity(c) next = Add(state, w) }
        >""",
    "Scan": """
        start = ReduceSum <keepdims = 0> (x, axes)
        last, y = Scan <num_scan_inputs = 1,
            body = s (float[4] before, float[4] row) => (float[4] after, float[4] out)
                { after = Add(before, row) out = Mul(after, w) }
        > (start, x)""",
}  # fmt: skip


@pytest.mark.parametrize("operator", CONTROL)
def test_what_a_nested_graph_captures_is_found_after_renaming(shop: Workshop, tmp_path: Path, operator: str) -> None:
    for name, weight in (("a", "1, 2, 3, 4"), ("b", "-1, 0, 5, 0.5")):
        model = shop.model(
            f"""<ir_version: 8, opset_import: ["": 17]>
            g (float[n, 4] x) => (float[n, 4] y) <float[4] w = {{{weight}}}, int64[1] axes = {{0}}>
            {{ {CONTROL[operator]} }}"""
        )
        onnx.save(model, tmp_path / f"{name}.onnx")
    built = assert_both_alone(shop, tmp_path)
    assert sum(node.op_type == operator for node in onnx.load(built).graph.node) == 2
    negative = -np.abs(ROWS)
    both = shop.run(built, {"x": negative})
    np.testing.assert_allclose(both["left"], alone(shop, tmp_path / "a.onnx", {"x": negative}), rtol=0, atol=1e-5)


def test_a_nested_graph_captures_from_two_levels_up(shop: Workshop, tmp_path: Path) -> None:
    body = """
        go = Constant <value = bool {1}> ()
        y = If(go) <
            then_branch = outer () => (float[n, 4] y1) {
                t = Mul(x, w)
                y1 = If(go) <
                    then_branch = inner () => (float[n, 4] y2) { u = Add(t, w) y2 = Sub(u, x) },
                    else_branch = other () => (float[n, 4] y3) { y3 = Identity(t) }
                >
            },
            else_branch = never () => (float[n, 4] y4) { y4 = Identity(x) }
        >"""
    for name, weight in (("a", "1, 2, 3, 4"), ("b", "-1, 0, 5, 0.5")):
        text = (
            f'<ir_version: 8, opset_import: ["": 17]> g (float[n, 4] x) => (float[n, 4] y) <float[4] w = {{{weight}}}> '
        )
        onnx.save(shop.model(f"{text}{{ {body} }}"), tmp_path / f"{name}.onnx")
    assert_both_alone(shop, tmp_path)


def test_initializers_that_old_files_list_as_inputs_are_no_ports(shop: Workshop, tmp_path: Path) -> None:
    model = linear(1)
    model.ir_version = 3
    model.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in model.graph.initializer
    )
    built = shop.build(one(shop, tmp_path, model)).path
    assert [entry.name for entry in onnx.load(built).graph.input] == ["x"]
    np.testing.assert_array_equal(shop.run(built, {"x": ROWS})["result"], alone(shop, tmp_path / "m.onnx", {"x": ROWS}))


def test_an_output_that_is_an_input_or_an_initializer_gets_a_node(shop: Workshop, tmp_path: Path) -> None:
    model = linear(1)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4]))
    model.graph.output.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [4, 100]))
    built = shop.build(one(shop, tmp_path, model, outputs="same: part.x, weight: part.weight")).path
    result = shop.run(built, {"x": ROWS})
    np.testing.assert_array_equal(result["same"], ROWS)
    np.testing.assert_array_equal(result["weight"], numpy_helper.to_array(model.graph.initializer[0]))
    assert [node.op_type for node in onnx.load(built).graph.node] == ["Identity", "Identity"]


def test_one_tensor_can_have_two_public_names(shop: Workshop, tmp_path: Path) -> None:
    built = shop.build(one(shop, tmp_path, linear(1), outputs="b: part.y, a: part.y")).path
    assert [entry.name for entry in onnx.load(built).graph.output] == ["b", "a"]
    result = shop.run(built, {"x": ROWS})
    np.testing.assert_array_equal(result["a"], result["b"])


def test_a_part_may_be_called_output(shop: Workshop, tmp_path: Path) -> None:
    onnx.save(exported([helper.make_node("Relu", ["x"], ["y"], name="again")], []), tmp_path / "m.onnx")
    text = ONE.replace("part", "output").replace("<outputs>", "first: output.y, again: output.y")
    built = shop.build(
        shop.spec(tmp_path, text, inputs="x: {type: float32, shape: [n, 4]}", feeds="x: x", more="")
    ).path
    np.testing.assert_array_equal(shop.run(built, {"x": ROWS})["again"], np.maximum(ROWS, 0))


def test_a_kind_may_hand_its_input_through(shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assembler import Kind, PartView, Port, Ports
    from assembler.parts import registry

    def ports(part: PartView) -> Ports:
        return Ports((Port("tensor"),), (Port("tensor", part.arriving("tensor")),))

    def build(part: PartView, emit: Emitter) -> None:  # noqa: ARG001 - a builder's signature
        emit.output("tensor", emit.input("tensor"))

    monkeypatch.setitem(registry._registered, "same", Kind("same", "Nothing.", ports, build))
    text = "version: 1\nname: s\ninputs: {x: {type: float32, shape: [n, 4]}}\n"
    text += "graph: {p: {kind: same, inputs: {tensor: x}}}\noutputs: {y: p.tensor}\n"
    built = shop.build(shop.spec(tmp_path, text)).path
    np.testing.assert_array_equal(shop.run(built, {"x": ROWS})["y"], ROWS)


def test_an_output_can_feed_another_part_too(shop: Workshop, tmp_path: Path) -> None:
    onnx.save(linear(1), tmp_path / "a.onnx")
    onnx.save(linear(2), tmp_path / "b.onnx")
    text = TWO.replace("weights: b, inputs: {x: x}", "weights: b, inputs: {x: first.y}")
    built = shop.build(shop.spec(tmp_path, text)).path
    result = shop.run(built, {"x": ROWS})
    np.testing.assert_allclose(
        result["right"], alone(shop, tmp_path / "b.onnx", {"x": result["left"]}), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "BFLOAT16", "INT4", "BOOL", "FLOAT16", "DOUBLE"])
def test_weights_of_every_element_type_are_kept_as_they_are(shop: Workshop, tmp_path: Path, kind: str) -> None:
    bits = {"FLOAT8E4M3FN": 8, "BFLOAT16": 16, "INT4": 4, "BOOL": 8, "FLOAT16": 16, "DOUBLE": 64}[kind]
    draw = np.random.default_rng(0)
    highest = 2 if kind == "BOOL" else 60
    raw = draw.integers(0, highest, 4000 * bits // 8).astype(np.uint8).tobytes()
    weight = helper.make_tensor("w", getattr(TensorProto, kind), [1000, 4], raw, raw=True)
    nodes = [
        helper.make_node("Cast", ["w"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["real", "axes"], ["row"], keepdims=0),
        helper.make_node("Add", ["x", "row"], ["y"]),
    ]
    model = exported(nodes, [weight, numpy_helper.from_array(np.array([0]), "axes")], opset=21, ir_version=10)
    built = shop.build(one(shop, tmp_path, model, opset="21")).path
    stored = next(tensor for tensor in onnx.load(built).graph.initializer if tensor.name == "part/w")
    assert stored.data_type == weight.data_type
    assert stored.raw_data == raw
    np.testing.assert_array_equal(shop.run(built, {"x": ROWS})["result"], alone(shop, tmp_path / "m.onnx", {"x": ROWS}))


def test_nothing_is_printed_by_the_tools_below(
    shop: Workshop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weight = helper.make_tensor("w", TensorProto.BFLOAT16, [1000, 4], bytes(8000), raw=True)
    nodes = [helper.make_node("Cast", ["w"], ["r"], to=1), helper.make_node("Gemm", ["x", "r"], ["t"], transB=1),
             helper.make_node("Gemm", ["t", "r"], ["y"])]  # fmt: skip
    spec = one(shop, tmp_path, exported(nodes, [weight]))
    capfd.readouterr()
    shop.build(spec)
    assert capfd.readouterr() == ("", "")


# --- opsets


def test_an_older_file_is_converted_and_proven_and_without_a_proof_refused(shop: Workshop, tmp_path: Path) -> None:
    spec = one(shop, tmp_path, linear_at(11), opset="17")
    built = shop.build(spec)
    assert built.proven is not None
    flat = np.exp(ROWS - ROWS.max())  # until opset 12, Softmax flattens from the axis on
    np.testing.assert_allclose(shop.run(built.path, {"x": ROWS})["result"], flat / flat.sum(), rtol=0, atol=1e-6)
    built.path.unlink()
    words = "M001 source 'm': the file is at opset 11, the stack at 17, where Softmax differs"
    with pytest.raises(ModelError, match=words) as caught:
        shop.build(spec, proof=False)
    assert "hint: without a proof, set 'convert: true' at the source" in str(caught.value)
    assert f"{spec}:4:21: M001" in str(caught.value)
    assert not spec.with_suffix(".onnx").exists()


def test_a_newer_file_is_never_relabelled_for_an_older_stack(shop: Workshop, tmp_path: Path) -> None:
    model = exported([helper.make_node("ReduceSum", ["x"], ["y"], name="sum", noop_with_empty_axes=1)], [], 13)
    assert shop.build(one(shop, tmp_path, model, opset="17")).proven is not None
    model = exported([helper.make_node("Gelu", ["x"], ["y"], name="gelu")], [], 20)
    with pytest.raises(ModelError, match="M001 source 'm': the file is at opset 20, the stack at 17") as caught:
        shop.build(one(shop, tmp_path, model, opset="17"))
    assert caught.value.problems[0].hint == "set 'opset: 20' in the spec, or 'convert: true' at the source"


def test_operators_that_are_the_same_at_both_opsets_need_no_conversion(shop: Workshop, tmp_path: Path) -> None:
    model = shop.model(
        '<ir_version: 8, opset_import: ["": 13]> g (float[n, 4] x) => (float[n, 4] y) { y = Softmax(x) }'
    )
    for opset in ("17", "22"):
        built = shop.build(one(shop, tmp_path, model, opset=opset), proof=False).path
        assert onnx.load(built).opset_import[0].version == int(opset)


@pytest.mark.parametrize(("opsets", "wanted"), [((13,), 13), ((11,), 11), ((23,), 23), ((13, 18), 18)])
def test_a_stack_that_names_no_opset_has_the_newest_of_its_files(
    shop: Workshop, tmp_path: Path, opsets: tuple[int, ...], wanted: int
) -> None:
    for name, opset in zip("ab", (opsets * 2)[:2], strict=True):
        onnx.save(linear_at(opset), tmp_path / f"{name}.onnx")
    built = shop.build(shop.spec(tmp_path, TWO.replace("opset: <opset>\n", "")))
    assert built.proven is not None
    assert onnx.load(built.path).opset_import[0].version == wanted


def test_what_the_converter_says_names_no_file_of_its_source() -> None:
    reason = "/onnx/version_converter/BaseConverter.h:68: adapter_lookup: Assertion `false` failed: No Adapter for X."
    assert plain_reason(reason) == "No Adapter for X."


def linear_at(opset: int) -> onnx.ModelProto:
    return exported([helper.make_node("Softmax", ["x"], ["y"], name="soft", axis=0)], [], opset)


@pytest.mark.parametrize("target", [13, 17, 22])
def test_convert_changes_operators_and_not_what_they_compute(shop: Workshop, tmp_path: Path, target: int) -> None:
    built = shop.build(one(shop, tmp_path, linear_at(11), more=", convert: true", opset=str(target))).path
    flat = np.exp(ROWS - ROWS.max())  # until opset 12, Softmax flattens from the axis on
    np.testing.assert_allclose(shop.run(built, {"x": ROWS})["result"], flat / flat.sum(), rtol=0, atol=1e-6)
    assert onnx.load(built).opset_import[0].version == target


def test_the_node_that_blocks_a_conversion_is_named(shop: Workshop, tmp_path: Path) -> None:
    model = shop.model(
        """<ir_version: 8, opset_import: ["": 17]> g (float[n, 4] x) => (float[n, 4] y) <float[4] s = {1, 1, 1, 1}>
        { t = Relu(x) [encoder_norm] y = LayerNormalization(t, s) }"""
    )
    words = "M002 source 'm': the file is at opset 17, the stack at 13, and the node 'encoder_norm' "
    with pytest.raises(ModelError, match=words + r"\(LayerNormalization\) cannot be converted"):
        shop.build(one(shop, tmp_path, model, more=", convert: true", opset="13"))


# --- what is stored


def test_identical_initializers_are_stored_once(shop: Workshop, tmp_path: Path) -> None:
    onnx.save(linear(1), tmp_path / "a.onnx")
    onnx.save(linear(1), tmp_path / "b.onnx")
    built = shop.build(shop.spec(tmp_path, TWO)).path
    names = [tensor.name for tensor in onnx.load(built).graph.initializer]
    assert names == ["first/weight", "first/back"]
    result = shop.run(built, {"x": ROWS})
    np.testing.assert_array_equal(result["left"], result["right"])
    reads = [name for node in onnx.load(built).graph.node for name in node.input if name.endswith("weight")]
    assert reads == ["first/weight", "first/weight"]


def test_equal_bytes_of_another_shape_or_type_stay_apart(shop: Workshop, tmp_path: Path) -> None:
    raw = np.zeros((4, 100), np.float32)
    weights = [
        numpy_helper.from_array(raw, "square"),
        numpy_helper.from_array(raw.reshape(100, 4), "tall"),
        numpy_helper.from_array(np.zeros((4, 100), np.int32), "whole"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "square"], ["t"]),
        helper.make_node("Cast", ["whole"], ["w"], to=1),
        helper.make_node("Gemm", ["t", "w"], ["u"], transB=1),
        helper.make_node("MatMul", ["t", "tall"], ["v"]),
        helper.make_node("Add", ["u", "v"], ["y"]),
    ]
    built = shop.build(one(shop, tmp_path, exported(nodes, weights))).path
    assert {t.name for t in onnx.load(built).graph.initializer} == {"part/square", "part/tall", "part/whole"}


def test_equal_bytes_inside_a_nested_graph_are_found_by_it(shop: Workshop, tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]> g (float[n, 4] x) => (float[n, 4] y)
        <float[4] first = {1, 2, 3, 4}, float[4] second = {1, 2, 3, 4}> {
            t = Mul(x, first)
            go = Constant <value = bool {1}> ()
            y = If(go) <
                then_branch = a () => (float[n, 4] p) { p = Add(t, second) },
                else_branch = b () => (float[n, 4] q) { q = Identity(t) }
            > }"""
    built = shop.build(one(shop, tmp_path, shop.model(text))).path
    assert [tensor.name for tensor in onnx.load(built).graph.initializer] == ["part/first"]
    np.testing.assert_array_equal(shop.run(built, {"x": ROWS})["result"], alone(shop, tmp_path / "m.onnx", {"x": ROWS}))


def test_what_feeds_no_output_is_dropped(shop: Workshop, tmp_path: Path) -> None:
    model = linear(1)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 500), np.float32), "debug_weight"))
    model.graph.node.append(helper.make_node("MatMul", ["x", "debug_weight"], ["debug"], name="debug"))
    built = shop.build(one(shop, tmp_path, model)).path
    graph = onnx.load(built).graph
    assert [node.name for node in graph.node] == ["part//MatMul", "part//MatMul_1"]
    assert "part/debug_weight" not in {tensor.name for tensor in graph.initializer}


def test_a_head_whose_emissions_nobody_asks_for_keeps_no_more_than_it_needs(built: Path) -> None:
    model = onnx.load(built)
    read = {name for node in model.graph.node for name in node.input}
    wanted = read | {output.name for output in model.graph.output}
    assert {tensor.name for tensor in model.graph.initializer} <= read
    assert {name for node in model.graph.node for name in node.output if name} - wanted == set()


# --- external data


def test_weights_go_to_a_file_of_their_own_above_a_size(shop: Workshop, folder: Path, built: Path) -> None:
    result = shop.build(shop.spec(folder), external_above=1000)
    assert result.data is not None
    assert result.data.stat().st_size == result.data_size
    assert result.path.stat().st_size == result.size
    assert result.size < built.stat().st_size
    from assembler.runtime import Tagger

    sentences = [["der", "hund"], ["ja"]]
    assert Tagger(result.path).tag(sentences) == Tagger(built).tag(sentences)
    big = [t for t in onnx.load(result.path, load_external_data=False).graph.initializer if t.external_data]
    assert {tensor.name for tensor in big} >= {"head/lstm_0/directions/forward/W"}
    offsets = [int(next(e.value for e in tensor.external_data if e.key == "offset")) for tensor in big]
    assert all(offset % 4096 == 0 for offset in offsets)


def test_both_ways_of_storing_hold_the_same_content(shop: Workshop, folder: Path, built: Path) -> None:
    from assembler import verify

    result = shop.build(shop.spec(folder), external_above=0)
    assert shop.metadata(result.path)["content"] == shop.metadata(built)["content"]
    assert any("graph, weights and metadata match its digest" in line for line in verify(result.path).found)


def test_a_file_of_just_the_size_keeps_its_weights(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    size = shop.build(spec).size
    assert shop.build(spec, external_above=size).data is None
    assert shop.build(spec, external_above=size - 1).data is not None


def test_external_data_of_an_older_model_is_left_to_it(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    older = shop.build(spec, external_above=0)
    before = (older.path.read_bytes(), older.data.read_bytes())
    shop.save(shop.tagger(seed=9), folder / "tagger.pt")
    from assembler import assemble

    newer = assemble(spec, folder / "newer.onnx", external_above=0)
    assert newer.data != older.data
    assert (older.path.read_bytes(), older.data.read_bytes()) == before


def test_weights_of_equal_bytes_cut_otherwise_are_another_file(shop: Workshop, tmp_path: Path) -> None:
    values = np.arange(1200, dtype=np.float32)
    names = []
    for cut in (400, 800):
        weights = [
            numpy_helper.from_array(part, name) for part, name in zip(np.split(values, [cut]), "vw", strict=True)
        ]
        nodes = [
            helper.make_node("ReduceSum", ["v"], ["s"], keepdims=0),
            helper.make_node("ReduceSum", ["w"], ["t"], keepdims=0),
            helper.make_node("Add", ["x", "s"], ["u"]),
            helper.make_node("Add", ["u", "t"], ["y"]),
        ]
        names.append(shop.build(one(shop, tmp_path, exported(nodes, weights)), external_above=0).data)
    assert names[0] != names[1]


def with_external_data(folder: Path) -> onnx.ModelProto:
    model = linear(1)
    onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    return model


def test_external_data_of_a_subgraph_is_read(shop: Workshop, tmp_path: Path) -> None:
    usual = {"inputs": "x: {type: float32, shape: [n, 4]}", "feeds": "x: x", "outputs": "result: part.y", "more": ""}
    with_external_data(tmp_path)
    result = shop.build(shop.spec(tmp_path, ONE, **usual))
    assert result.data is None
    (tmp_path / "m.data").rename(tmp_path / "gone")
    weight, back = (numpy_helper.to_array(tensor) for tensor in linear(1).graph.initializer)
    expected = ROWS @ weight @ back
    np.testing.assert_allclose(shop.run(result.path, {"x": ROWS})["result"], expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(SourceError, match=r"R005 source 'm': the external data 'm\.data' of m\.onnx is missing"):
        shop.build(shop.spec(tmp_path, ONE, **usual))


def test_the_digest_of_a_subgraph_covers_its_external_data(shop: Workshop, tmp_path: Path) -> None:
    usual = {"inputs": "x: {type: float32, shape: [n, 4]}", "feeds": "x: x", "outputs": "result: part.y"}
    with_external_data(tmp_path)
    digest = shop.build(shop.spec(tmp_path, ONE, more="", **usual)).sources["m"]
    pinned = shop.spec(tmp_path, ONE, more=f", sha256: {digest}", **usual)
    shop.build(pinned)
    data = bytearray((tmp_path / "m.data").read_bytes())
    data[100] ^= 1
    (tmp_path / "m.data").write_bytes(data)
    with pytest.raises(SourceError, match="R002 source 'm': the file has the digest .*, the spec pins " + digest):
        shop.build(pinned)


def test_the_digest_covers_external_data_inside_a_nested_graph(shop: Workshop, tmp_path: Path) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], np.ones(4, np.float32).tobytes(), raw=True)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.data"), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    out = helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 4])
    then = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["p"])], "then", [], [out], [weight])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["p"])], "other", [], [out])
    go = numpy_helper.from_array(np.array(True), "go")  # noqa: FBT003 - a tensor of one bool
    model = exported([helper.make_node("If", ["go"], ["y"], then_branch=then, else_branch=other)], [go])
    digests = []
    for byte in (b"\x3f", b"\x40"):
        (tmp_path / "w.data").write_bytes((b"\x00\x00\x80" + byte) * 4)
        spec = one(shop, tmp_path, model)
        result = shop.build(spec)
        digests.append(result.sources["m"])
        np.testing.assert_array_equal(
            shop.run(result.path, {"x": ROWS})["result"], ROWS * np.frombuffer(b"\x00\x00\x80" + byte, np.float32)
        )
    assert digests[0] != digests[1]


def test_external_data_outside_of_the_models_folder_is_refused(shop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    usual = {"inputs": "x: {type: float32, shape: [n, 4]}", "feeds": "x: x", "outputs": "result: part.y", "more": ""}
    with_external_data(folder)
    (folder / "m.data").rename(tmp_path / "m.data")
    model = onnx.load(folder / "m.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../m.data" if entry.key == "location" else entry.value
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(
        SourceError, match=r"R005 source 'm': the external data '\.\./m\.data' of m\.onnx leaves its folder"
    ):
        shop.build(shop.spec(folder, ONE, **usual))


# --- renaming alone

NAMES = st.text(st.sampled_from("abxy/:._"), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, min_size=2, max_size=6, unique=True), NAMES)
def test_renaming_is_undone_by_its_inverse(names: list[str], prefix: str) -> None:
    nodes = [helper.make_node("Relu", [a, ""], [b], name=b) for a, b in pairwise(names)]
    nested = helper.make_graph(nodes, "nested", [], [])
    graph = helper.make_graph(
        [helper.make_node("If", [names[0]], ["t"], then_branch=nested, else_branch=nested)], "g", [], []
    )
    renamed = rename_tensors(graph, lambda name: f"{prefix}|{name}")
    inner = renamed.node[0].attribute[0].g
    assert all(node.input[1] == "" for node in inner.node)
    assert [node.output[0] for node in inner.node] == [f"{prefix}|{name}" for name in names[1:]]
    assert rename_tensors(renamed, lambda name: name.removeprefix(f"{prefix}|")) == graph


def test_the_metadata_says_what_was_joined(shop: Workshop, tmp_path: Path) -> None:
    onnx.save(linear(1), tmp_path / "a.onnx")
    onnx.save(linear(2), tmp_path / "b.onnx")
    built = shop.build(shop.spec(tmp_path, TWO)).path
    parts = shop.metadata(built)["parts"]
    assert [(part["id"], part["kind"], part["weights"], part["parameters"]) for part in parts] == [
        ("first", "onnx", "a", 800),
        ("second", "onnx", "b", 800),
    ]
    assert parts[0]["inputs"] == [{"port": "x", "from": "x"}]
