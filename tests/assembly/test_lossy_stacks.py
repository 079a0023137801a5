"""Lossy profiles for stacks of exported files: what is lowered, what is measured, and what is refused."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from assembler.core.errors import ParityError, SpecError
from assembler.onnx_model.nesting import all_nodes
from assembler.proof.output_losses import CASES, RANDOM
from assembler.spec.reading import load_spec
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.assembly.conftest import Outcome, Workshop

    Command = Callable[..., Outcome]


class Head(torch.nn.Module):
    """Gives scores, and the whole number of the class."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = torch.nn.Linear(192, 192)
        self.classes = torch.nn.Linear(192, 8)

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.classes(torch.tanh(self.wide(states)))
        return scores.softmax(-1), scores.argmax(-1)


class Recurrent(torch.nn.Module):
    """An LSTM as torch exports it: with first states."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(32, 96, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.lstm(x)[0]
        return states


def export(module: torch.nn.Module, x: torch.Tensor, path: Path, free: Mapping[int, str], *outputs: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (x,),
            path,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=list(outputs),
            dynamic_axes={"x": dict(free), outputs[0]: dict(free)},
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an encoder, a head, a network of convolutions and an LSTM."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    layers = torch.nn
    encoder = layers.Sequential(layers.Linear(192, 192), layers.GELU(), layers.LayerNorm(192), layers.Linear(192, 192))
    export(encoder, torch.zeros(2, 192), folder / "encoder.onnx", {0: "n"}, "states")
    export(Head(), torch.zeros(2, 192), folder / "head.onnx", {0: "n"}, "scores", "label")
    convolutions = layers.Sequential(
        layers.Conv2d(3, 64, 3, padding=1),
        layers.BatchNorm2d(64),
        layers.ReLU(),
        layers.Conv2d(64, 64, 3, stride=2),
        layers.ReLU(),
        layers.AdaptiveAvgPool2d(1),
        layers.Flatten(),
        layers.Linear(64, 8),
    )
    export(convolutions, torch.zeros(1, 3, 12, 12), folder / "image.onnx", {0: "n"}, "y")
    export(Recurrent(), torch.zeros(5, 2, 32), folder / "lstm.onnx", {0: "t", 1: "n"}, "y")
    return folder


def two(files: Path, folder: Path, proof: str = "") -> Path:
    spec = folder / "stack.yaml"
    spec.write_text(
        f"version: 1\nname: stack\nsources: {{e: {{onnx: {files}/encoder.onnx}}, h: {{onnx: {files}/head.onnx}}}}\n"
        "inputs: {x: {type: float32, shape: [n, 192]}}\n"
        "graph:\n  e: {kind: onnx, weights: e, inputs: {x: x}}\n"
        "  h: {kind: onnx, weights: h, inputs: {x: e.states}}\n"
        f"outputs: {{scores: h.scores, label: h.label}}\n{proof}",
        encoding="utf-8",
    )
    return spec


def one(file: Path, folder: Path, shape: str, proof: str = "") -> Path:
    spec = folder / "stack.yaml"
    spec.write_text(
        f"version: 1\nname: stack\nsources: {{p: {{onnx: {file}}}}}\ninputs: {{x: {{type: float32, shape: {shape}}}}}\n"
        f"graph: {{p: {{kind: onnx, weights: p, inputs: {{x: x}}}}}}\noutputs: {{y: p.y}}\n{proof}",
        encoding="utf-8",
    )
    return spec


def operators(path: Path) -> list[str]:
    return [node.op_type for node in all_nodes(onnx.load(path).graph)]


def error(given: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(given - wanted) / np.linalg.norm(wanted))


LOOSE = "proof: {outputs_changed: {label: 0.1}}\n"


def chained(shop: Workshop, files: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    return shop.run(files / "head.onnx", {"x": shop.run(files / "encoder.onnx", {"x": x})["states"]})


@pytest.mark.parametrize(("profile", "within", "size"), [("int8", 0.05, 0.3), ("fp16", 0.01, 0.55)])
def test_an_encoder_and_its_head_are_near_the_files_and_smaller(
    shop: Workshop, files: Path, tmp_path: Path, profile: str, within: float, size: float
) -> None:
    built = shop.build(two(files, tmp_path, LOOSE), profile=profile)
    x = np.random.default_rng(9).standard_normal((50, 192)).astype(np.float32)
    given, wanted = shop.run(built.path, {"x": x}), chained(shop, files, x)
    assert 0 < error(given["scores"], wanted["scores"]) < within
    assert given["scores"].dtype == np.float32
    assert (given["label"] != wanted["label"]).mean() <= 0.1
    own = sum((files / name).stat().st_size for name in ("encoder.onnx", "head.onnx"))
    assert built.size < size * own
    found = operators(built.path)
    assert ("MatMulIntegerToFloat" in found) == (profile == "int8")
    assert {"Gemm", "MatMul"} & set(found) or profile == "int8"


def test_the_report_and_the_file_say_what_was_measured_and_verify_measures_it_again(
    shop: Workshop, files: Path, tmp_path: Path, cli: Command
) -> None:
    spec, path = two(files, tmp_path, LOOSE), tmp_path / "model.onnx"
    printed = cli(spec, "-o", path, "--profile", "int8")
    assert printed.code == 0, printed.err
    record = shop.metadata(path)["proof"]
    assert record["measured_on"] == [RANDOM]
    scores, label = record["outputs"]["scores"], record["outputs"]["label"]
    assert scores.keys() == {"relative_error", "allowed", "values", "largest_difference"}
    assert 0 < scores["relative_error"] <= scores["allowed"] == 0.05
    assert label["allowed"] == 0.1
    assert "scores_within" not in record
    assert f"scores: a relative error of {scores['relative_error']:.3%} in {scores['values']:,} values" in printed.out
    assert f"of {label['values']:,} values differ (" in printed.out
    assert "measured against each part alone on" in cli("inspect", path).out
    again = cli("verify", path, "--spec", spec)
    assert again.code == 0, again.err
    assert "within the budget of its profile: scores: a relative error of" in again.out
    printed = cli(spec, "-o", path, "--profile", "int8", "--format", "json")
    assert json.loads(printed.out)["proof"]["outputs"] == record["outputs"]


def test_the_relative_error_is_that_of_numpy(shop: Workshop, files: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(3).standard_normal((40, 192)).astype(np.float32)
    np.savez(tmp_path / "cases.npz", x=x)
    built = shop.build(two(files, tmp_path, "proof: {cases: cases.npz, outputs_changed: 0.1}\n"), profile="int8")
    record = shop.metadata(built.path)["proof"]
    assert record["measured_on"] == [CASES]
    given, wanted = shop.run(built.path, {"x": x}), chained(shop, files, x)
    assert record["outputs"]["scores"]["relative_error"] == pytest.approx(
        error(given["scores"].astype(np.float64), wanted["scores"].astype(np.float64)), rel=0.01
    )
    assert record["outputs"]["scores"]["values"] == 320


def test_a_model_that_changes_too_much_is_refused_and_nothing_is_written(
    files: Path, tmp_path: Path, cli: Command
) -> None:
    spec, path = two(files, tmp_path, "proof: {outputs_changed: {scores: 0.0005, label: 0.1}}\n"), tmp_path / "m.onnx"
    printed = cli(spec, "-o", path, "--profile", "int8")
    assert printed.code == 3
    assert "P002 the profile 'int8' changes more of what each part alone gives than it may" in printed.err
    assert "scores: a relative error of" in printed.err
    assert "label" not in printed.err.replace("label: 0.1", "")
    assert "outputs_changed: {scores: 0.0" in printed.err
    assert not path.exists()


def test_changed_whole_numbers_are_counted_on_enough_values(shop: Workshop, files: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"P002 (?s:.*)label: \d+ of 7\d\d values differ .* allowed are 0.50%"):
        shop.build(two(files, tmp_path), profile="int8")
    np.savez(tmp_path / "cases.npz", x=np.zeros((3, 192), np.float32))
    with pytest.raises(ParityError, match=r"P009 .*too few values.*label: 0 of 3 values differ(?s:.*)at least 765 "):
        shop.build(two(files, tmp_path, "proof: {cases: cases.npz}\n"), profile="fp16")


def test_weights_that_are_too_uneven_for_int8_are_refused(shop: Workshop, tmp_path: Path) -> None:
    """One huge row leaves the others no step, and its values are the ones that cancel out."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> a (float[n, 256] x) => (float[n, 128] y) '
        "{ h = Mul(x, m)\n y = MatMul(h, w) }"
    )
    weight = np.random.default_rng(0).standard_normal((256, 128)).astype(np.float32)
    mask = np.ones(256, np.float32)
    weight[7], mask[7] = 1000, 0
    model.graph.initializer.extend([numpy_helper.from_array(weight, "w"), numpy_helper.from_array(mask, "m")])
    onnx.save(model, tmp_path / "part.onnx")
    spec = one(tmp_path / "part.onnx", tmp_path, "[n, 256]")
    with pytest.raises(ParityError, match=r"P002 (?s:.*)y: a relative error of (?s:.*)no spec may allow more than 10%"):
        shop.build(spec, profile="int8")
    assert shop.build(spec, profile="fp16").proven is not None


@pytest.mark.parametrize("profile", ["int8", "fp16", "cpu", "cuda"])
@pytest.mark.parametrize(("file", "shape"), [("image.onnx", "[n, 3, 12, 12]"), ("lstm.onnx", "[t, n, 32]")])
def test_convolutions_and_an_lstm_with_first_states(
    shop: Workshop, files: Path, tmp_path: Path, profile: str, file: str, shape: str
) -> None:
    built = shop.build(one(files / file, tmp_path, shape), profile=profile)
    sizes = (5, 3, 12, 12) if file == "image.onnx" else (7, 3, 32)
    x = np.random.default_rng(4).standard_normal(sizes).astype(np.float32)
    apart = error(shop.run(built.path, {"x": x})["y"], shop.run(files / file, {"x": x})["y"])
    assert apart < {"int8": 0.05, "fp16": 0.01}.get(profile, 1e-6)
    size = built.size / (files / file).stat().st_size
    assert size < {"int8": 0.4, "fp16": 0.6}.get(profile, 1.1)
    if profile == "int8":
        assert ("DynamicQuantizeLSTM" in operators(built.path)) == (file == "lstm.onnx")
        assert "Conv" in operators(built.path) or file == "lstm.onnx"  # ConvInteger is slower


BRANCHES = """a (float[n, 192] x) => (float[n, 192] y) {
    zero = Constant<value_float = 0.0>()
    s = ReduceSum<keepdims = 0>(x)
    t = Greater(s, zero)
    y = If<then_branch = yes () => (float[n, 192] v) { v = Gemm<alpha = 0.5, transB = 1>(x, w, c) },
           else_branch = no () => (float[n, 192] u) { k = MatMul(x, w)  u = Neg(k) }>(t)
}"""


@pytest.mark.parametrize("profile", ["int8", "fp16"])
def test_layers_of_nested_graphs_are_lowered_too(shop: Workshop, tmp_path: Path, profile: str) -> None:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{BRANCHES}')
    draw = np.random.default_rng(1)
    for name, shape in (("w", (192, 192)), ("c", (192,))):
        model.graph.initializer.append(numpy_helper.from_array(draw.standard_normal(shape).astype(np.float32), name))
    onnx.save(model, tmp_path / "part.onnx")
    built = shop.build(one(tmp_path / "part.onnx", tmp_path, "[n, 192]"), profile=profile)
    for sign in (1, -1):
        x = sign * np.abs(draw.standard_normal((3, 192))).astype(np.float32)
        apart = error(shop.run(built.path, {"x": x})["y"], shop.run(tmp_path / "part.onnx", {"x": x})["y"])
        assert 0 < apart < 0.05
    lowered = onnx.load(built.path)
    assert not [tensor for tensor in lowered.graph.initializer if tensor.data_type == 1 and np.prod(tensor.dims) > 999]
    assert operators(built.path).count("MatMulIntegerToFloat") == (2 if profile == "int8" else 0)


def test_what_half_precision_cannot_hold_stays_float32(shop: Workshop, tmp_path: Path) -> None:
    """A mask of -1e9, 1e-12 under a root, and squares: in half precision they are infinite, 0 and infinite.

    ONNX Runtime drops casts to half precision and back on a processor; onnx's reference evaluator computes in it.
    """
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]> a (float[n, 96] x) => (float[n, 96] y) {
        h = MatMul(x, w)
        rectified = Relu(h)
        big = Mul(rectified, thousand)
        square = Mul(big, big)
        safe = Add(rectified, tiny)
        sum = Add(square, safe)
        root = Sqrt(sum)
        unit = Div(big, root)
        low = Less(x, zero)
        shown = Mul(h, two)
        masked = Where(low, shown, mask)
        share = Softmax<axis = -1>(masked)
        y = Add(share, unit)
        }"""
    )
    draw = np.random.default_rng(1)
    for name, value in (("thousand", 1000), ("tiny", 1e-12), ("zero", 0), ("mask", -1e9), ("two", 2)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    weight = draw.standard_normal((96, 96)).astype(np.float32) / 10
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    onnx.save(model, tmp_path / "part.onnx")
    built = shop.build(one(tmp_path / "part.onnx", tmp_path, "[n, 96]"), profile="fp16")
    given = {name for node in onnx.load(built.path).graph.node for name in node.output}
    assert {f"p/{name}/half" for name in ("h", "rectified", "big", "shown")} <= given
    kept = ("square", "safe", "masked", "root", "share")
    assert {f"p/{name}" for name in kept} <= given
    assert not {f"p/{name}/half" for name in kept} & given
    x = draw.standard_normal((5, 96)).astype(np.float32)
    [evaluated] = ReferenceEvaluator(str(built.path)).run(None, {"x": x})
    wanted = shop.run(tmp_path / "part.onnx", {"x": x})["y"]
    assert error(evaluated, wanted) < 0.01
    assert error(shop.run(built.path, {"x": x})["y"], wanted) < 0.01


def test_a_mask_does_not_hide_the_errors_of_other_values(shop: Workshop, tmp_path: Path) -> None:
    """-1e9 is equal on both sides, and would make any error beside it small."""
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]> a (float[n, 192] x) => (float[n, 192] y) {
        h = MatMul(x, w)
        low = Less(x, zero)
        y = Where(low, mask, h)
        }"""
    )
    for name, value in (("zero", 0), ("mask", -1e9)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    weight = np.random.default_rng(1).standard_normal((192, 192)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    onnx.save(model, tmp_path / "part.onnx")
    built = shop.build(one(tmp_path / "part.onnx", tmp_path, "[n, 192]"), profile="int8")
    assert shop.metadata(built.path)["proof"]["outputs"]["y"]["relative_error"] > 1e-3


def test_a_budget_of_an_output_that_is_not_there_is_told(files: Path, tmp_path: Path) -> None:
    spec = load_spec(two(files, tmp_path, "proof: {outputs_changed: {score: 0.01}}\n"))
    with pytest.raises(SpecError, match=r"W001 proof: there is no output 'score'(?s:.*)scores"):
        wire(spec, {})
