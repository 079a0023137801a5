"""`extract` cuts a part out of a whole, which a stack of the parts is proven against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from assembler.core.errors import ModelError, SourceError
from assembler.workflows.assembly import assemble
from assembler.workflows.part_extraction import extract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.assembly.conftest import Outcome

ROWS = np.array([[1, -2, 3, -4], [0.5, 0, 2, 8]], np.float32)


def whole(folder: Path) -> Path:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]>
        whole (float[n, 4] x, float[n, 4] shift) => (float[n, 4] y) {
            h = MatMul(x, w)
            states = Relu(h)
            moved = Add(states, shift)
            y = MatMul(moved, v)
        }"""
    )
    draw = np.random.default_rng(0)
    for name in "wv":
        array = draw.standard_normal((4, 4)).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(np.tile(array, (1, 1)), name))
    onnx.save(model, folder / "whole.onnx")
    return folder / "whole.onnx"


def run(path: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    return ort.InferenceSession(str(path)).run(None, inputs)


def test_two_parts_of_a_whole_are_a_stack_that_is_proven_against_it(tmp_path: Path) -> None:
    model = whole(tmp_path)
    first = extract(model, (), ("states",), tmp_path / "first.onnx")
    second = extract(model, ("states",), (), tmp_path / "second.onnx")
    assert (first.inputs, first.outputs, first.operators) == (("x",), ("states",), 2)
    assert (second.inputs, second.outputs, second.operators) == (("states", "shift"), ("y",), 2)
    weights = [{tensor.name for tensor in onnx.load(part.path).graph.initializer} for part in (first, second)]
    assert weights == [{"w"}, {"v"}]
    spec = tmp_path / "stack.yaml"
    spec.write_text(
        "version: 1\nname: stack\n"
        "sources: {whole: {onnx: whole.onnx}, a: {onnx: first.onnx}, b: {onnx: second.onnx}}\n"
        "inputs: {x: {type: float32, shape: [n, 4]}, shift: {type: float32, shape: [n, 4]}}\ngraph:\n"
        "  first: {kind: onnx, weights: a, inputs: {x: x}}\n"
        "  second: {kind: onnx, weights: b, inputs: {states: first.states, shift: shift}}\n"
        "outputs: {y: second.y}\nproof: {against: whole}\n",
        encoding="utf-8",
    )
    built = assemble(spec, tmp_path / "stack.onnx")
    assert built.proven is not None
    assert built.proven.against == "whole"
    (given,) = run(built.path, x=ROWS, shift=ROWS)
    np.testing.assert_allclose(given, run(model, x=ROWS, shift=ROWS)[0], rtol=0, atol=1e-6)


def test_the_command_says_what_it_wrote(tmp_path: Path, cli: Callable[..., Outcome]) -> None:
    done = cli("extract", whole(tmp_path), "--between", "h,moved", "-o", tmp_path / "part.onnx")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1] == "inputs: h, shift; outputs: moved"
    (given,) = run(tmp_path / "part.onnx", h=ROWS, shift=ROWS)
    np.testing.assert_array_equal(given, np.maximum(ROWS, 0) + ROWS)
    assert cli("extract", tmp_path / "whole.onnx", "--between", "h", "-o", tmp_path / "p.onnx").code == 2


def test_weights_outside_of_the_file_are_found(tmp_path: Path) -> None:
    model = onnx.load(whole(tmp_path))
    weight = numpy_helper.to_array(model.graph.initializer[0])
    onnx.save(model, tmp_path / "whole.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    extract(tmp_path / "whole.onnx", (), ("h",), tmp_path / "part.onnx")
    (given,) = run(tmp_path / "part.onnx", x=ROWS)
    np.testing.assert_allclose(given, ROWS @ weight, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("fed", "given", "message"),
    [
        (("hh",), ("states",), r"M031 there is no tensor 'hh'\n.*did you mean 'h'\?"),
        (("y",), ("states",), r"M031 'y' is not needed for states"),
        (("x",), ("staates",), r"M031 there is no tensor 'staates'\n.*did you mean 'states'\?"),
    ],
)
def test_a_cut_that_cannot_be_made_is_told(
    tmp_path: Path, fed: tuple[str, ...], given: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        extract(whole(tmp_path), fed, given, tmp_path / "part.onnx")
    assert not (tmp_path / "part.onnx").exists()


def test_the_model_itself_is_not_written_over_and_no_model_is_told(tmp_path: Path) -> None:
    model = whole(tmp_path)
    with pytest.raises(ModelError, match="M009 is the model itself"):
        extract(model, (), ("h",), model)
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(SourceError, match="R006"):
        extract(tmp_path / "text.onnx", (), ("h",), tmp_path / "part.onnx")
