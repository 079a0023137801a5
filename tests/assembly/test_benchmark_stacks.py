"""The benchmark of stacks of exported files: the parts one after the other against the assembled file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from assembler.benchmark import stacks
from assembler.benchmark.hardware import Peak
from assembler.benchmark.part_runs import part_runs
from assembler.onnx_model.sessions import kept_open
from assembler.spec.reading import load_spec
from assembler.surgery.emission import emit_parts
from assembler.surgery.stepwise import Stepwise
from assembler.workflows.fitting import wired_sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.assembly.conftest import Outcome, Workshop

    Command = Callable[..., Outcome]

WEIGHT = np.random.default_rng(0).standard_normal((192, 192)).astype(np.float32) / 14


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_TURN", 0.001)
    monkeypatch.setattr(stacks, "_PAUSE", 0)
    monkeypatch.setattr(stacks, "Peak", lambda _: Peak(16))


def stack(folder: Path, proof: str = "") -> Path:
    for name, operator in (("first", "Relu"), ("second", "Tanh")):
        model = onnx.parser.parse_model(
            f'<ir_version: 8, opset_import: ["": 17]> a (float[n, 192] x) => (float[n, 192] y) '
            f"{{ h = MatMul(x, w)\n y = {operator}(h) }}"
        )
        model.graph.initializer.append(numpy_helper.from_array(WEIGHT, "w"))
        onnx.save(model, folder / f"{name}.onnx")
    spec = folder / "stack.yaml"
    spec.write_text(
        "version: 1\nname: stack\nsources: {one: {onnx: first.onnx}, two: {onnx: second.onnx}}\n"
        "inputs: {x: {type: float32, shape: [n, 192]}}\n"
        "graph:\n  one: {kind: onnx, weights: one, inputs: {x: x}}\n"
        "  half: {kind: operator, op: Neg, inputs: {X: one.y}}\n"
        "  two: {kind: onnx, weights: two, inputs: {x: half.Y}}\n"
        f"outputs: {{y: two.y}}\n{proof}",
        encoding="utf-8",
    )
    return spec


def test_each_profile_is_measured_beside_the_parts_on_the_sizes_of_the_proof(tmp_path: Path, cli: Command) -> None:
    spec = stack(tmp_path, "proof: {sizes: {n: [1, 8]}}\n")
    words = ("bench", spec, "--profile", "cpu", "--profile", "int8", "--rounds", "1")
    printed = cli(*words, "--format", "json", "--chart", tmp_path / "chart.svg")
    assert printed.code == 0, printed.err
    record = json.loads(printed.out)
    assert [(each["name"], each["batch"]) for each in record["speeds"]] == [
        (name, f"n {size}") for size in (1, 8) for name in ("parts", "cpu", "int8")
    ]
    assert [each["outputs"].partition(":")[0] for each in record["speeds"]] == 2 * ["equal", "equal", "changed"]
    assert all(each["runs_per_second"] > 0 and not each["differs"] for each in record["speeds"])
    assert all(each["ratio"] == 1 for each in record["speeds"] if each["name"] == "parts")
    files = sum((tmp_path / name).stat().st_size for name in ("first.onnx", "second.onnx"))
    assert record["sizes"]["parts"] == files
    assert record["sizes"]["int8"] < 0.3 * files
    assert ET.fromstring((tmp_path / "chart.svg").read_text(encoding="utf-8")).tag.endswith("svg")  # noqa: S314


def test_the_cases_of_the_proof_are_measured_and_a_refused_profile_is_left_out(tmp_path: Path, cli: Command) -> None:
    np.savez(tmp_path / "cases.npz", **{"a/x": np.ones((3, 192), np.float32), "b/x": np.ones((2, 192), np.float32)})
    spec = stack(tmp_path, "proof: {cases: cases.npz, outputs_changed: 0.00001, sizes: {n: 3}}\n")
    printed = cli("bench", spec, "--rounds", "1")
    assert printed.code == 0, printed.err
    lines = printed.out.splitlines()
    assert re.search(r"runs/s +ratio +of busy cores +\(median\) +ms: half +19 of 20 +outputs", lines[1])
    assert [line[:30].split("  ")[0].strip() for line in lines[2:6]] == 2 * ["parts", "portable"]
    assert sum("the case 'a'" in line for line in lines) == sum("the case 'b'" in line for line in lines) == 2
    assert "int8 is left out: the profile 'int8' changes more" in printed.out
    assert "y: a relative error of" in printed.out


def test_a_model_beside_its_parts_is_measured_as_it_is(shop: Workshop, tmp_path: Path, cli: Command) -> None:
    spec = stack(tmp_path, "proof: {sizes: {n: 4}}\n")
    path = shop.build(spec, profile="int8").path
    before = path.read_bytes()
    printed = cli("bench", path, "--rounds", "1", "--format", "json")
    assert printed.code == 0, printed.err
    assert [each["name"] for each in json.loads(printed.out)["speeds"]] == ["parts", "int8"]
    assert path.read_bytes() == before
    assert cli("bench", path, "--profile", "cpu").code == 2
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / "model.onnx")
    printed = cli("bench", moved)
    assert printed.code == 1
    assert "R001 the source 'one' is not at" in printed.err
    assert "put it beside the spec" in printed.err


def test_a_model_whose_outputs_differ_says_so_beside_its_speed(shop: Workshop, tmp_path: Path, cli: Command) -> None:
    path = shop.build(stack(tmp_path, "proof: {sizes: {n: 4}}\n"), profile="cpu").path
    model = onnx.load(path)
    [scale] = [tensor for tensor in model.graph.initializer if tensor.dims == [192, 192]]
    scale.CopyFrom(numpy_helper.from_array(WEIGHT * 2, scale.name))
    onnx.save(model, path)
    printed = cli("bench", path, "--rounds", "1")
    assert printed.code == 0, printed.err
    assert next(line for line in printed.out.splitlines() if line.startswith("cpu")).count("DIFFERENT: y: differs by")


def test_a_model_whose_sources_have_changed_is_not_compared_with_them(
    shop: Workshop, tmp_path: Path, cli: Command
) -> None:
    path = shop.build(stack(tmp_path), profile="cpu").path
    model = onnx.load(tmp_path / "second.onnx")
    model.doc_string = "another"
    onnx.save(model, tmp_path / "second.onnx")
    printed = cli("bench", path)
    assert printed.code == 1
    assert "R002" in printed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--single", "3"), "--single is a number of sentences"),
        (("--compile",), "--compile compiles flair's layers"),
        (("--curve", "sentences"), "--curve grows a text"),
        (("--device", "cuda"), "--device is for taggers alone"),
        (("text.txt",), "FILE is text for taggers"),
    ],
)
def test_options_for_text_are_refused_by_name(
    tmp_path: Path, cli: Command, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("a b\n", encoding="utf-8")
    printed = cli("bench", stack(tmp_path), *words)
    assert printed.code == 2
    assert said in printed.err


def test_glue_inner_specs_and_loops_are_run_as_the_proof_runs_them(shop: Workshop, tmp_path: Path) -> None:
    stack(tmp_path).rename(tmp_path / "inner.yaml")
    step = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> a (float[192] x, float[192] h) => (float[192] y) { y = Add(x, h) }'
    )
    onnx.save(step, tmp_path / "step.onnx")
    spec = tmp_path / "outer.yaml"
    spec.write_text(
        "version: 1\nname: outer\nsources: {inner: {spec: inner.yaml}, step: {onnx: step.onnx}}\n"
        "inputs: {x: {type: float32, shape: [n, 192]}}\n"
        "graph:\n  in: {kind: spec, weights: inner, inputs: {x: x}}\n"
        "  sum: {kind: loop, weights: step, states: {h: y}, scan: [x], inputs: {x: in.y}}\n"
        "outputs: {y: in.y, total: sum.h}\nproof: {sizes: {n: [4, 7]}}\n",
        encoding="utf-8",
    )
    wiring, sources = wired_sources(load_spec(spec), trust=False)
    assert sources is not None
    x = np.random.default_rng(2).standard_normal((4, 192)).astype(np.float32)
    with kept_open():
        given = part_runs(wiring, Stepwise(wiring, emit_parts(wiring)))({"x": x})
    first = shop.run(tmp_path / "first.onnx", {"x": x})["y"]
    wanted = shop.run(tmp_path / "second.onnx", {"x": -first})["y"]
    np.testing.assert_array_equal(given["y"], wanted)
    total = given["total"]
    assert isinstance(total, np.ndarray)
    np.testing.assert_allclose(total, wanted.sum(0), atol=1e-5)
    report = stacks.measure_stack(load_spec(spec), profiles=("portable",), rounds=1)
    assert [speed.outputs for speed in report.speeds] == 4 * ["equal"]
