"""Files as exporters write them: what ONNX Runtime runs is assembled, or refused by its right name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

from assembler.core.errors import ModelError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

ROWS = np.array([[1, -2, 3, -4], [0.5, 0, 2, 8]], np.float32)


def parsed(text: str, opset: int = 17) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{text}')


def stack(
    folder: Path, model: onnx.ModelProto, feeds: str = "x: x", inputs: str = "x: {type: float32, shape: [n, 4]}"
) -> Path:
    onnx.save(model, folder / "part.onnx")
    spec = folder / "stack.yaml"
    spec.write_text(
        f"version: 1\nname: stack\nsources: {{s: {{onnx: part.onnx}}}}\ninputs: {{{inputs}}}\n"
        f"graph: {{p: {{kind: onnx, weights: s, inputs: {{{feeds}}}}}}}\noutputs: {{y: p.y}}\n",
        encoding="utf-8",
    )
    return spec


def proven(shop: Workshop, spec: Path, **inputs: np.ndarray) -> np.ndarray:
    built = shop.build(spec)
    assert built.proven is not None
    return shop.run(built.path, inputs or {"x": ROWS})["y"]


def test_nodes_in_any_order_are_sorted_those_that_nested_graphs_read_from_too(shop: Workshop, tmp_path: Path) -> None:
    model = parsed(
        """a (float[n, 4] x) => (float[n, 4] y) {
        u = Relu(x)
        t = Cast<to = 9>(one)
        one = Constant<value_int = 1>()
        y = If<then_branch = yes () => (float[n, 4] v) { v = Neg(u) },
               else_branch = no () => (float[n, 4] w) { w = Identity(x) }>(t)
        }"""
    )
    nodes = [*model.graph.node][::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    given = proven(shop, stack(tmp_path, model))
    np.testing.assert_array_equal(given, -np.maximum(ROWS, 0))


def test_nodes_that_wait_for_each_other_are_told(shop: Workshop, tmp_path: Path) -> None:
    model = parsed("a (float[n, 4] x) => (float[n, 4] y) { u = Add(x, v)\n v = Neg(u)\n y = Identity(v) }")
    with pytest.raises(SourceError, match=r"R006 .*must be topologically sorted"):
        shop.build(stack(tmp_path, model))


@pytest.mark.parametrize("version", [3, 8])
def test_an_initializer_that_is_an_input_is_fed_or_left(shop: Workshop, tmp_path: Path, version: int) -> None:
    model = parsed("a (float[n, 4] x, float[4, 4] W) => (float[n, 4] y) { y = MatMul(x, W) }")
    model.graph.initializer.append(numpy_helper.from_array(np.eye(4, dtype=np.float32) * 2, "W"))
    model.ir_version = version
    np.testing.assert_array_equal(proven(shop, stack(tmp_path, model)), 2 * ROWS)
    both = "x: {type: float32, shape: [n, 4]}, w: {type: float32, shape: [4, 4]}"
    spec = stack(tmp_path, model, "x: x, W: w", both)
    given = proven(shop, spec, x=ROWS, w=np.eye(4, dtype=np.float32) * 3)
    np.testing.assert_array_equal(given, 3 * ROWS)


def test_a_file_of_the_first_versions_need_not_list_its_initializers_as_inputs(shop: Workshop, tmp_path: Path) -> None:
    model = parsed("a (float[n, 4] x) => (float[n, 4] y) <float k = {2.0}> { y = Mul(x, k) }")
    model.ir_version = 3
    np.testing.assert_array_equal(proven(shop, stack(tmp_path, model)), 2 * ROWS)


def test_an_output_without_a_shape_gets_the_one_that_is_inferred(shop: Workshop, tmp_path: Path) -> None:
    model = parsed("a (float[n, 4] x) => (float[n, 4] y) { y = Relu(x) }")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    spec = stack(tmp_path, model)
    np.testing.assert_array_equal(proven(shop, spec), np.maximum(ROWS, 0))
    (output,) = onnx.load(spec.with_suffix(".onnx")).graph.output
    assert len(output.type.tensor_type.shape.dim) == 2


def test_a_wrong_number_of_axes_is_taken_from_the_inference(shop: Workshop, tmp_path: Path) -> None:
    model = parsed("a (float[n, 4] x) => (float[n, 4] y) { y = Relu(x) }")
    del model.graph.output[0].type.tensor_type.shape.dim[1:]
    np.testing.assert_array_equal(proven(shop, stack(tmp_path, model)), np.maximum(ROWS, 0))


def test_a_wrong_number_of_axes_that_nothing_can_infer_is_taken_from_the_runs(shop: Workshop, tmp_path: Path) -> None:
    model = parsed(
        "a (float[n, 4] x) => (float[n] y) { s = Shape(x)\n t = Cast<to = 1>(s)\n u = Cast<to = 7>(t)\n"
        "y = Reshape(x, u) }"
    )
    del model.graph.value_info[:]
    spec = stack(tmp_path, model)
    built = shop.build(spec)
    assert built.proven is not None
    (output,) = onnx.load(built.path).graph.output
    assert len(output.type.tensor_type.shape.dim) == 2


def test_a_file_that_gives_another_size_than_it_says_is_told_by_name(shop: Workshop, tmp_path: Path) -> None:
    model = parsed("a (float[n, 4] x) => (float[7, 4] y) { y = Relu(x) }")
    with pytest.raises(ModelError, match=r"M029 the part 'p': part.onnx declares 'y' as float32\[7, 4\], but returns"):
        shop.build(stack(tmp_path, model, inputs="x: {type: float32, shape: [3, 4]}"))


def sparse(values: list[float], indices: list[int] | list[list[int]], dims: list[int]) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(
        helper.make_tensor("k", TensorProto.FLOAT, [len(values)], values),
        numpy_helper.from_array(np.array(indices, np.int64), "i"),
        dims,
    )


@pytest.mark.parametrize(("indices", "dims"), [([1, 3], [4]), ([[0, 1], [0, 3]], [1, 4])])
def test_sparse_weights_are_made_dense(
    shop: Workshop, tmp_path: Path, indices: list[int] | list[list[int]], dims: list[int]
) -> None:
    model = parsed("a (float[n, 4] x) => (float[n, 4] y) { y = Mul(x, k) }")
    model.graph.sparse_initializer.append(sparse([5, 7], indices, dims))
    expected = ROWS * np.array([0, 5, 0, 7], np.float32)
    np.testing.assert_array_equal(proven(shop, stack(tmp_path, model)), expected)


def test_sparse_weights_of_a_branch_and_of_a_constant_are_made_dense(shop: Workshop, tmp_path: Path) -> None:
    model = parsed(
        """a (float[n, 4] x) => (float[n, 4] y) {
        t = Constant<value_int = 1>()
        b = Cast<to = 9>(t)
        y = If<then_branch = yes () => (float[n, 4] v) { v = Mul(x, k) },
               else_branch = no () => (float[n, 4] w) { w = Identity(x) }>(b)
        }"""
    )
    then = next(entry.g for entry in model.graph.node[2].attribute if entry.name == "then_branch")
    then.sparse_initializer.append(sparse([5, 7], [1, 3], [4]))
    np.testing.assert_array_equal(proven(shop, stack(tmp_path, model)), ROWS * np.array([0, 5, 0, 7], np.float32))
    constant = parsed("a (float[n, 4] x) => (float[n, 4] y) { y = Mul(x, k) }")
    constant.graph.node.insert(0, helper.make_node("Constant", [], ["k"], sparse_value=sparse([5, 7], [1, 3], [4])))
    np.testing.assert_array_equal(proven(shop, stack(tmp_path, constant)), ROWS * np.array([0, 5, 0, 7], np.float32))


@pytest.mark.parametrize(
    ("indices", "dims", "code"), [([1, 9], [4], "R006"), ([1], [4], "R006"), ([1, 3], [2**20, 2**20], "R014")]
)
def test_sparse_weights_that_do_not_fit_or_are_too_large_are_told(
    shop: Workshop, tmp_path: Path, indices: list[int], dims: list[int], code: str
) -> None:
    model = parsed("a (float[n, 4] x) => (float[n, 4] y) { y = Mul(x, k) }")
    model.graph.sparse_initializer.append(sparse([5, 7], indices, dims))
    with pytest.raises(SourceError, match=code):
        shop.build(stack(tmp_path, model))


BRANCHES = """a (float[n, 4] x) => (float[n, 4] y) {
    zero = Constant<value_float = 0.0>()
    s = ReduceSum<keepdims = 0>(x)
    t = Greater(s, zero)
    y = If<then_branch = yes () => (float[n, 4] v) { v = MatMul(x, w) },
           else_branch = no () => (float[n, 4] u) { k = MatMul(x, w)  u = Neg(k) }>(t)
}"""


def with_weights_in_branches(first: int, second: int) -> onnx.ModelProto:
    """Return a model with a weight in each branch, both called `w`, the second in a `Constant` node."""
    model = parsed(BRANCHES)
    then, other = (entry.g for name in ("then_branch", "else_branch")
                   for entry in model.graph.node[-1].attribute if entry.name == name)  # fmt: skip
    weights = [np.random.default_rng(seed).standard_normal((4, 4)).astype(np.float32) for seed in (first, second)]
    wide = [np.tile(each, (1, 100)) for each in weights]
    for graph in (then, other):
        node = graph.node[0]
        node.op_type, node.input[0] = "Gemm", "x"
        node.input.append("c")
    zeros = np.zeros(400, np.float32)
    then.initializer.extend([numpy_helper.from_array(wide[0], "w"), numpy_helper.from_array(zeros, "c")])
    other.node.insert(0, helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(wide[1])))
    other.node.insert(0, helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(zeros)))
    for graph in (model.graph, then, other):
        for output in graph.output:
            output.type.tensor_type.shape.dim[1].dim_value = 400
    return model


def test_weights_in_branches_are_shared_and_stay_apart_where_they_differ(shop: Workshop, tmp_path: Path) -> None:
    sizes = []
    for seeds in ((1, 1), (1, 2)):
        model = with_weights_in_branches(*seeds)
        spec = stack(tmp_path, model)
        built = shop.build(spec)
        assert built.proven is not None
        sizes.append(built.size)
        for rows in (ROWS, -ROWS):
            given = shop.run(built.path, {"x": rows})["y"]
            np.testing.assert_allclose(given, shop.run(tmp_path / "part.onnx", {"x": rows})["y"], rtol=0, atol=1e-6)
    assert sizes[1] - sizes[0] > 6000  # a weight of 6,400 bytes


def test_a_weight_that_a_branch_gives_stays_in_it(shop: Workshop, tmp_path: Path) -> None:
    model = parsed(
        """a (float[n, 4] x) => (float[400] y) {
        zero = Constant<value_float = 0.0>()
        s = ReduceSum<keepdims = 0>(x)
        t = Greater(s, zero)
        y = If<then_branch = yes () => (float[400] v) { v = Identity(g) },
               else_branch = no () => (float[400] u) { u = Identity(g) }>(t)
        }"""
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones(400, np.float32), "g"))
    then = next(entry.g for entry in model.graph.node[-1].attribute if entry.name == "then_branch")
    del then.node[:]
    value = numpy_helper.from_array(np.arange(400, dtype=np.float32))
    then.node.append(helper.make_node("Constant", [], ["v"], value=value))
    given = proven(shop, stack(tmp_path, model))
    np.testing.assert_array_equal(given, np.arange(400) if ROWS.sum() > 0 else np.ones(400))


def test_the_axes_that_a_run_has_are_those_of_an_output_that_nothing_else_tells(shop: Workshop, tmp_path: Path) -> None:
    """The shape that `Reshape` is given comes from a run, so that inference knows no axis."""
    model = parsed("a (float[n, 4] x, int64[k] s) => (float[n, 4] y) { y = Reshape(x, s) }")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    spec = stack(tmp_path, model, "x: x, s: s", "x: {type: float32, shape: [n, 4]}, s: {type: int64, shape: [k]}")
    text = spec.read_text(encoding="utf-8") + "proof: {sizes: {n: [1, 3], k: 1}, inputs: {s: {values: [-1]}}}\n"
    spec.write_text(text, encoding="utf-8")
    assert shop.build(spec).proven is not None
    (output,) = onnx.load(spec.with_suffix(".onnx")).graph.output
    assert len(output.type.tensor_type.shape.dim) == 1
    with pytest.raises(ModelError, match="M030 the number of axes of the output 'y' is not known"):
        shop.build(spec, proof=False)
