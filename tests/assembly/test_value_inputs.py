"""Sequences and optionals as inputs of a model: typed, drawn by the proof, given by cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assembler import ParityError, SpecError
from assembler.initialisation.exported_files import exported_spec
from assembler.proof.random_inputs import proof_inputs
from assembler.spec.reading import parse_spec
from assembler.workflows.checking import check
from tests.assembly.test_types import CONCAT, proven, stack

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.core.arrays import RuntimeValue
    from tests.assembly.conftest import Workshop

ROWS = "rows: {type: sequence(float32), shape: [some, 4]}"
MAYBE = """({type} maybe, float[n, 4] other) => (float[m, 4] y) {{
    there = OptionalHasElement(maybe)
    y = If<
        then_branch = yes () => (float[k, 4] held) {{ {held} }},
        else_branch = no () => (float[k, 4] same) {{ same = Identity(other) }}
    >(there)
}}"""


def alone(path: Path, **inputs: RuntimeValue) -> list[RuntimeValue]:
    """Return what a part gives in ONNX Runtime."""
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, inputs)


def test_a_sequence_is_an_input(shop: Workshop, tmp_path: Path) -> None:
    spec = stack(tmp_path, {"a": (CONCAT, "rows: rows")}, "y: a.y, again: a.again", ROWS)
    assert check(spec).problems == ()
    rows = [np.full((count, 4), count, np.float32) for count in (2, 1, 3)]
    given = proven(shop, spec, rows=rows)
    y, again = alone(tmp_path / "a.onnx", rows=rows)
    np.testing.assert_array_equal(given["y"], y)
    assert [each.tolist() for each in given["again"]] == [each.tolist() for each in again]  # type: ignore[union-attr]
    declared = onnx.load(tmp_path / "stack.onnx").graph.input[0].type.sequence_type.elem_type.tensor_type
    assert declared.elem_type == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("name", ["int64", "bool", "string", "float16", "uint8"])
def test_a_sequence_of_any_shape_is_drawn_of_its_element_type(shop: Workshop, tmp_path: Path, name: str) -> None:
    graph = f"(seq({name}) s) => (int64 length, seq({name}) same) {{ length = SequenceLength(s) same = Identity(s) }}"
    spec = stack(tmp_path, {"a": (graph, "s: s")}, "length: a.length, same: a.same", f"s: {{type: sequence({name})}}")
    values = [
        np.array([[1, 0]]).astype(str if name == "string" else name),
        np.array([1]).astype(str if name == "string" else name),
    ]
    values = [each.astype(object) if name == "string" else each for each in values]
    given = proven(shop, spec, s=values)
    assert given["length"] == 2
    assert [each.tolist() for each in given["same"]] == [each.tolist() for each in values]  # type: ignore[union-attr]
    assert proven(shop, spec, s=[])["length"] == 0


@pytest.mark.parametrize(
    ("type_", "ours", "held"),
    [
        ("optional(float[k, 4])", "optional(float32)", "held = OptionalGetElement(maybe)"),
        (
            "optional(seq(float[k, 4]))",
            "optional(sequence(float32))",
            "all = OptionalGetElement(maybe) held = ConcatFromSequence<axis = 0>(all)",
        ),
    ],
)
def test_an_optional_is_an_input_with_and_without_a_value(
    shop: Workshop, tmp_path: Path, type_: str, ours: str, held: str
) -> None:
    inputs = f'maybe: {{type: "{ours}", shape: [k, 4]}}, other: {{type: float32, shape: [n, 4]}}'
    graph = MAYBE.format(type=type_, held=held)
    spec = stack(tmp_path, {"a": (graph, "maybe: maybe, other: other")}, "y: a.y", inputs)
    other, rows = np.zeros((1, 4), np.float32), np.ones((2, 4), np.float32)
    for maybe, wanted in ((rows if "seq" not in type_ else [rows, rows], 1), (None, 0)):
        given = proven(shop, spec, maybe=maybe, other=other)["y"]
        np.testing.assert_array_equal(given, alone(tmp_path / "a.onnx", maybe=maybe, other=other)[0])
        assert (given == wanted).all()


def test_a_proof_draws_several_tensors_and_an_optional_without_a_value() -> None:
    text = """version: 1
name: s
inputs:
  rows: {type: sequence(float32), shape: [some, 4]}
  free: {type: sequence(int8), range: [7, 9]}
  maybe: {type: optional(string)}
graph: {a: {kind: operator, op: SequenceLength, inputs: {input_sequence: rows}}}
outputs: {y: a.length}
"""
    cases = [inputs for _, inputs in proof_inputs(parse_spec(text, "s.yaml"), None, ())]
    assert [len(case["rows"]) for case in cases] == [3, 1, 2]  # type: ignore[arg-type]
    for case in cases:
        assert len({array.shape for array in case["rows"]}) == 1  # type: ignore[union-attr]
        assert not np.array_equal(case["rows"][0], case["rows"][-1]) or len(case["rows"]) == 1  # type: ignore[arg-type,index]
        assert {array.dtype.name for array in case["rows"]} == {"float32"}  # type: ignore[union-attr]
        assert all(7 <= value <= 9 for array in case["free"] for value in array.flat)  # type: ignore[union-attr]
    assert [np.shape(array) for array in cases[2]["free"]] == [(2, 3), (1, 3)]  # type: ignore[union-attr]
    assert [case["maybe"] is None for case in cases] == [False, False, True]


def test_a_case_gives_the_tensors_of_a_sequence_by_their_numbers(shop: Workshop, tmp_path: Path) -> None:
    spec = stack(tmp_path, {"a": (CONCAT, "rows: rows")}, "y: a.y", ROWS, "proof: {cases: cases.npz}\n")
    rows = [np.full((count, 4), count, np.float32) for count in (2, 1)]
    named = {"one/rows[0]": rows[0], "one/rows[1]": rows[1]}
    np.savez(tmp_path / "cases.npz", **named, **{"one/y": np.concatenate(rows)})
    assert shop.build(spec).proven is not None
    np.savez(tmp_path / "cases.npz", **named, **{"one/y": np.concatenate(rows[::-1])})
    with pytest.raises(ParityError, match="P002 the parts do not compute what the case 'one' expects"):
        shop.build(spec)
    np.savez(tmp_path / "cases.npz", **{"one/rows[1]": rows[1]})
    with pytest.raises(SpecError, match=r"W026 proof: cases: the case 'one' has no array 'rows\[0\]'"):
        shop.build(spec)
    np.savez(tmp_path / "cases.npz", **{"one/rows[0]": rows[0][:, :3]})
    with pytest.raises(SpecError, match=r"W026 .*: the input 'rows\[0\]' is sequence\(float32\), .* shape \[2, 3\]"):
        shop.build(spec)


def test_init_writes_inputs_that_are_no_tensors(shop: Workshop, tmp_path: Path) -> None:
    stack(tmp_path, {"a": (CONCAT, "rows: rows")}, "y: a.y", ROWS)
    text = exported_spec([tmp_path / "a.onnx"], tmp_path, "stack").text()
    assert "  rows: {type: sequence(float32)}\n" in text
    (tmp_path / "written.yaml").write_text(text.replace("}\n\ngraph", ", shape: [some, 4]}\n\ngraph"), encoding="utf-8")
    assert shop.build(tmp_path / "written.yaml").proven is not None


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("x: {type: sequence(bfloat16)}", "S004 'inputs.x.type': got 'sequence.bfloat16.', expected one of float32, "),
        ("x: {type: float32}", "S002 'inputs.x': the key 'shape' is missing"),
        ("x: {type: sequence(int8), range: [0, 200]}", "W020 x: the range holds 200, which no sequence.int8. can be"),
    ],
)
def test_a_type_that_onnx_runtime_is_not_fed_is_refused(tmp_path: Path, inputs: str, message: str) -> None:
    text = (
        f"version: 1\nname: s\ninputs: {{{inputs}}}\n"
        "graph: {a: {kind: operator, op: SequenceLength, inputs: {input_sequence: x}}}\noutputs: {y: a.length}\n"
    )
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    (problem,) = check(tmp_path / "s.yaml").problems
    assert re.match(message, f"{problem.code} {problem.message}")


def test_a_sequence_cannot_feed_a_tensor(tmp_path: Path) -> None:
    graph = "(float[n, 4] x) => (float[n, 4] y) { y = Abs(x) }"
    (problem,) = check(stack(tmp_path, {"a": (graph, "x: rows")}, "y: a.y", ROWS)).problems
    assert problem.code == "W003"
    assert "sequence(float32)" in problem.message
