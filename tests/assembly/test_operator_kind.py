"""Any standard operator is a part, by ONNX's own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assembler.workflows.checking import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

INPUTS = """
  x: {type: float32, shape: [rows, 8]}
  image: {type: float32, shape: [batch, 3, h, w]}
  ids: {type: int64, shape: [rows]}
  words: {type: string, shape: [rows]}
"""


def stack(folder: Path, part: str, output: str, feeds: str, more: str = "") -> Path:
    """Write a stack of one operator that takes some of the inputs."""
    used = "".join(f"{line}\n" for line in INPUTS.splitlines() if line.strip().partition(":")[0] in feeds.split())
    spec = folder / "stack.yaml"
    spec.write_text(
        f"version: 1\nname: stack\nopset: 18\ninputs:\n{used}graph:\n  p: {{kind: operator, {part}}}\n"
        f"outputs: {{y: p.{output}}}\n{more}",
        encoding="utf-8",
    )
    return spec


@pytest.mark.parametrize(
    ("part", "output", "feeds", "dims"),
    [
        (
            "op: Slice, inputs: {data: x}, constants: {starts: [0], ends: [4], axes: [1]}",
            "output",
            "x",
            ["rows", 4],
        ),
        ("op: Squeeze, inputs: {data: p0}, constants: {axes: [1]}", "squeezed", "", None),
        ("op: Unsqueeze, inputs: {data: x}, constants: {axes: [1]}", "expanded", "x", ["rows", 1, 8]),
        ("op: Pad, inputs: {data: x}, constants: {pads: [0, 1, 0, 1], constant_value: 2}", "output", "x", None),
        ("op: Clip, inputs: {input: x}, constants: {min: -1, max: 1}", "output", "x", ["rows", 8]),
        ("op: TopK, inputs: {X: x}, constants: {K: [2]}", "Indices", "x", ["rows", 2]),
        ("op: Einsum, inputs: {Inputs: [x, x]}, attributes: {equation: 'ij,kj->ik'}", "Output", "x", None),
        ("op: MatMul, inputs: {A: x}, constants: {B: BIG}", "Y", "x", ["rows", 2]),
        ("op: Greater, inputs: {A: x}, constants: {B: 0}", "C", "x", ["rows", 8]),
        ("op: Where, inputs: {X: x, Y: x}, constants: {condition: [true]}", "output", "x", ["rows", 8]),
        (
            "op: Resize, inputs: {X: image}, constants: {scales: [1, 1, 2, 2]}, attributes: {mode: nearest}",
            "Y",
            "image",
            None,
        ),
        (
            "op: Split, inputs: {input: x}, attributes: {axis: 1, num_outputs: 2}, outputs: [a, b]",
            "b",
            "x",
            ["rows", 4],
        ),
        (
            "op: LabelEncoder, domain: ai.onnx.ml, inputs: {X: words}, attributes: LABELS",
            "Y",
            "words",
            ["rows"],
        ),
        ("op: Relu, inputs: {X: x}", "Y", "x", ["rows", 8]),
    ],
)
def test_an_operator_has_the_ports_and_types_of_its_schema(
    shop: Workshop, tmp_path: Path, part: str, output: str, feeds: str, dims: list[str | int] | None
) -> None:
    if "p0" in part:
        part, feeds = part.replace("p0", "one"), "one"
    filled = part.replace("BIG", str([[1, 0.5]] * 8)).replace("LABELS", "{keys_strings: [a], values_int64s: [7]}")
    path = stack(tmp_path, filled, output, feeds)
    if feeds == "one":
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("inputs:\n", "inputs:\n  one: {type: float32, shape: [rows, 1, 4]}\n", 1), "utf-8")
    assert check(path).problems == ()
    assert shop.build(path).proven is not None
    (declared,) = onnx.load(tmp_path / "stack.onnx").graph.output
    shape = [dim.dim_param or dim.dim_value for dim in declared.type.tensor_type.shape.dim]
    if dims is not None:
        assert shape == dims


def test_boxes_are_picked_and_cut_out_of_a_batch(shop: Workshop, tmp_path: Path) -> None:
    spec = tmp_path / "stack.yaml"
    spec.write_text(
        """version: 1
name: stack
opset: 17
inputs:
  boxes: {type: float32, shape: [batch, n, 4]}
  scores: {type: float32, shape: [batch, classes, n]}
graph:
  nms:
    kind: operator
    op: NonMaxSuppression
    inputs: {boxes: boxes, scores: scores}
    constants: {max_output_boxes_per_class: [2], iou_threshold: [0.5]}
  box: {kind: operator, op: Slice, inputs: {data: nms.selected_indices}, constants: {starts: [2], ends: [3], axes: [1]}}
  flat: {kind: operator, op: Squeeze, inputs: {data: box.output}, constants: {axes: [1]}}
  found: {kind: gather, axis: 1, inputs: {states: boxes, indices: flat.squeezed}}
outputs: {found: found.rows}
""",
        encoding="utf-8",
    )
    assert shop.build(spec).proven is not None
    session = ort.InferenceSession(str(tmp_path / "stack.onnx"))
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 0.9], [2, 2, 3, 3]]], np.float32)
    scores = np.array([[[0.9, 0.8, 0.7]]], np.float32)
    (found,) = session.run(None, {"boxes": boxes, "scores": scores})
    assert found.tolist() == [[[0, 0, 1, 1], [2, 2, 3, 3]]]


@pytest.mark.parametrize(
    ("part", "message", "hint"),
    [
        (
            "op: Slicee, inputs: {data: x}",
            "p: there is no operator 'Slicee' in the domain 'ai.onnx' at version 18",
            "did you mean",
        ),
        (
            "op: Clip, inputs: {input: x}, constants: {minn: 0}",
            "p: 'Clip' has no input 'minn' of one tensor",
            "did you mean 'min'?",
        ),
        (
            "op: Relu, inputs: {X: x}, attributes: {alpha: 1}",
            "p: 'Relu' has no attribute 'alpha'",
            "it has none",
        ),
        (
            "op: Concat, inputs: {inputs: [x, x]}",
            "p: 'Concat' needs the attribute 'axis'",
            "write attributes: {axis: …}",
        ),
        (
            "op: Add, inputs: {A: x, B: ids}",
            "p: 'B' is int64 and 'A' is float32: the operator takes one type for both",
            "a part of kind 'cast' makes float32 of it",
        ),
        ("op: Not, inputs: {X: x}", "p: 'X' is float32, which the operator does not take there", "tensor(bool)"),
        ("op: Softmax, inputs: {input: x}, attributes: {axis: last}", "p: the attribute 'axis' is of the type int", ""),
        ("op: Relu, inputs: {X: x}, outputs: [a, b]", "p: 'Relu' has 1 to 1 outputs, 2 are named", ""),
        (
            "op: If, inputs: {cond: x}",
            "p: 'If' has graphs of its own",
            "parts of the kinds 'if' and 'loop' have graphs",
        ),
    ],
)
def test_what_the_schema_does_not_allow_is_told(tmp_path: Path, part: str, message: str, hint: str) -> None:
    names = "outputs: [a, b]" if "outputs" in part else "outputs: [Y]"
    path = stack(
        tmp_path, part if "outputs" in part else f"{part}, {names}", names[10], "x ids" if "ids" in part else "x"
    )
    found = [(p.message, p.hint or "") for p in check(path).problems if p.code in {"W020", "W003"}]
    assert any(message in told and hint in helped for told, helped in found), check(path).problems


def test_an_optional_input_may_be_left_out_and_a_needed_one_not(tmp_path: Path) -> None:
    path = stack(tmp_path, "op: Clip, inputs: {input: x}", "output", "x")
    assert check(path).problems == ()
    path = stack(tmp_path, "op: Slice, inputs: {data: x}, constants: {starts: [0]}", "output", "x")
    (problem,) = check(path).problems
    assert (problem.code, problem.message) == ("W008", "nothing feeds the port 'ends' of 'p' (kind 'operator')")


def test_gather_along_an_axis_that_is_not_there_is_told(tmp_path: Path) -> None:
    spec = stack(tmp_path, "op: Relu, inputs: {X: x}", "Y", "x ids")
    text = spec.read_text(encoding="utf-8").replace(
        "{kind: operator, op: Relu, inputs: {X: x}}", "{kind: gather, axis: 2, inputs: {states: x, indices: ids}}"
    )
    spec.write_text(text.replace("p.Y", "p.rows"), encoding="utf-8")
    (problem,) = check(spec).problems
    assert (problem.message, problem.hint) == ("p: there is no axis 2: the tensor has 2", "write -2 to 1")
