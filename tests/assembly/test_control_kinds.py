"""Specs, branches and loops as parts: each is proven, and compared with its parts, run by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assembler import SourceError, assemble, verify
from assembler.core.errors import AssemblerError
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

    Arrays = dict[str, np.ndarray]

RANDOM = np.random.default_rng(7)


def exported(path: Path, text: str, opset: int = 17, **weights: np.ndarray) -> Path:
    """Write a model from the text of its graph and its weights."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in weights.items())
    onnx.save(model, path)
    return path


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def run(path: Path, **inputs: np.ndarray) -> Arrays:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip([port.name for port in session.get_outputs()], session.run(None, inputs), strict=True))


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"version: 1\nname: {path.stem}\n{text}", encoding="utf-8")
    return path


def built(shop: Workshop, spec: Path, **options: object) -> Path:
    """Build, prove and verify a spec, and return the model."""
    found = shop.build(spec, **options)
    assert found.proven is not None
    assert verify(found.path, spec=spec).found
    return found.path


def layer(path: Path, inputs: int, outputs: int, x: str = "x", y: str = "y") -> np.ndarray:
    """Write `y = tanh(x @ weight)` and return the weight, which is large enough to be shared."""
    weight = floats(inputs, outputs)
    path.parent.mkdir(exist_ok=True)
    body = f"{{ m = MatMul({x}, w) {y} = Tanh(m) }}"
    exported(path, f"g (float[n,{inputs}] {x}) => (float[n,{outputs}] {y}) {body}", w=weight)
    return weight


INNER = """
sources: {one: {onnx: one.onnx}}
inputs: {x: {type: float32, shape: [rows, 32]}}
graph:
  first: {kind: onnx, weights: one, dims: {n: rows}, inputs: {x: x}}
  best: {kind: softmax, axis: 1, inputs: {tensor: first.y}}
outputs: {y: first.y, shares: best.tensor}
"""

TWICE = """
sources: {inner: {spec: inner.yaml}}
inputs: {a: {type: float32, shape: [n, 32]}}
graph:
  once: {kind: spec, weights: inner, inputs: {x: a}}
  again: {kind: spec, weights: inner, inputs: {x: once.y}}
outputs: {y: again.y, shares: once.shares}
"""


def test_a_spec_is_a_part_twice_and_its_weights_are_stored_once(shop: Workshop, tmp_path: Path) -> None:
    weight = layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", INNER)
    spec = written(tmp_path, "outer.yaml", TWICE)
    assert check(spec).problems == ()
    path = built(shop, spec)
    a = floats(3, 32)
    once = np.tanh(a @ weight)
    given = run(path, a=a)
    np.testing.assert_allclose(given["y"], np.tanh(once @ weight), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given["shares"].sum(axis=1), 1, rtol=1e-5)
    stored = [tensor for tensor in onnx.load(path).graph.initializer if list(tensor.dims) == [32, 32]]
    assert len(stored) == 1, "the two parts share one weight"
    shape = onnx.load(path).graph.output[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["n", 32]


def test_specs_can_be_in_specs_and_another_inner_spec_is_another_digest(shop: Workshop, tmp_path: Path) -> None:
    weight = layer(tmp_path / "below" / "one.onnx", 32, 32)
    written(tmp_path, "below/inner.yaml", INNER)
    middle = TWICE.replace("inner.yaml", "below/inner.yaml")
    written(tmp_path, "middle.yaml", middle)
    outer = TWICE.replace("inner.yaml", "middle.yaml").replace("{x: a}", "{a: a}").replace("{x: once.y}", "{a: once.y}")
    spec = written(tmp_path, "outer.yaml", outer)
    path = built(shop, spec)
    a = floats(2, 32)
    expected = a
    for _ in range(4):
        expected = np.tanh(expected @ weight)
    np.testing.assert_allclose(run(path, a=a)["y"], expected, rtol=1e-4, atol=1e-5)
    before = shop.build(spec).sources["inner"]
    layer(tmp_path / "below" / "one.onnx", 32, 32)
    after = shop.build(spec).sources["inner"]
    assert before != after, "the digest of a spec changes with a source of a source"
    pinned = outer.replace("{spec: middle.yaml}", f"{{spec: middle.yaml, sha256: {before}}}")
    with pytest.raises(SourceError, match="the spec pins"):
        shop.build(written(tmp_path, "outer.yaml", pinned))


def test_specs_that_hold_each_other_are_refused(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "a.yaml", TWICE.replace("inner.yaml", "b.yaml"))
    spec = written(tmp_path, "b.yaml", TWICE.replace("inner.yaml", "a.yaml"))
    (problem,) = check(spec).problems
    assert problem.code == "R015"
    assert problem.message == "source 'inner': the spec holds itself: b.yaml → a.yaml → b.yaml"


def test_specs_cannot_multiply(tmp_path: Path) -> None:
    layer(tmp_path / "s0.onnx", 32, 32)
    written(tmp_path, "s0.yaml", INNER.replace("one.onnx", "s0.onnx"))
    for depth in range(1, 8):
        two = ", ".join(f"{name}: {{spec: s{depth - 1}.yaml}}" for name in ("p", "q"))
        port = "x" if depth == 1 else "a"
        parts = "".join(
            f"  {part}: {{kind: spec, weights: {part}, inputs: {{{port}: {fed}}}}}\n"
            for part, fed in (("p", "a"), ("q", "p.y"))
        )
        inputs = "inputs: {a: {type: float32, shape: [n, 32]}}\n"
        text = f"sources: {{{two}}}\n{inputs}graph:\n{parts}outputs: {{y: q.y}}\n"
        spec = written(tmp_path, f"s{depth}.yaml", text)
    assert check(tmp_path / "s4.yaml").problems == ()
    (problem,) = check(spec).problems
    assert (problem.code, problem.message.partition(": ")[2]) == ("R015", "the stack reads more than 64 specs")


def test_a_wrong_inner_spec_is_told_where_it_is_wrong(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", INNER.replace("first.y, shares", "frist.y, shares"))
    (problem,) = check(written(tmp_path, "outer.yaml", TWICE)).problems
    assert (problem.code, problem.file, problem.line) == ("W009", str(tmp_path / "inner.yaml"), 9)
    assert problem.hint == "did you mean 'first'?"
    written(tmp_path, "inner.yaml", INNER)
    (problem,) = check(written(tmp_path, "outer.yaml", TWICE.replace("again.y,", "again.z,"))).problems
    assert (problem.code, problem.line) == ("W009", 9)
    (problem,) = check(written(tmp_path, "outer.yaml", TWICE.replace("[n, 32]", "[n, 31]"))).problems
    assert problem.code == "W004"
    assert "a → once.x: float32[n, 31] cannot feed float32[rows, 32]" in problem.message
    problems = check(written(tmp_path, "outer.yaml", TWICE.replace("inner: {spec: inner", "inner: {spec: iner"))).notes
    assert "iner.yaml is not here" in problems[0]


def test_a_strict_check_holds_inner_specs_to_their_folder(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "below/inner.yaml", INNER.replace("one.onnx", "../one.onnx"))
    spec = written(tmp_path, "outer.yaml", TWICE.replace("inner.yaml", "below/inner.yaml"))
    assert check(spec).problems == ()
    (problem,) = check(spec, strict=True).problems
    assert (problem.code, problem.message) == ("W018", "the path '../one.onnx' leaves the folder of the spec")
    written(tmp_path, "inner.yaml", INNER)
    outside = written(tmp_path, "below/outer.yaml", TWICE.replace("inner.yaml", "../inner.yaml"))
    (problem,) = check(outside, strict=True).problems
    assert (problem.code, problem.message) == ("W018", "the path '../inner.yaml' leaves the folder of the spec")


def test_an_inner_spec_keeps_to_the_opset_that_it_names(shop: Workshop, tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", f"opset: 15\n{INNER}")
    spec = written(tmp_path, "outer.yaml", f"opset: 17\n{TWICE}")
    with pytest.raises(AssemblerError, match="the spec is at opset 15, the stack at 17"):
        shop.build(spec)
    assert not spec.with_suffix(".onnx").exists()


def test_no_build_writes_over_what_an_inner_spec_reads(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", INNER)
    spec = written(tmp_path, "outer.yaml", TWICE)
    before = (tmp_path / "one.onnx").read_bytes()
    with pytest.raises(AssemblerError, match="the source 'inner'"):
        assemble(spec, tmp_path / "one.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == before
