"""Types of ports that are no plain tensors: they have names, and those that do not fit never pass `check`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper

from assembler.core.errors import SourceError
from assembler.onnx_file.header import read_header
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from pathlib import Path

GIVER = """<ir_version: 10, opset_import: ["": 21]>
a (float[n] x) => (
    float[n] plain, float8e4m3fn[n] eight, bfloat16[n] brain, int4[n] four,
    seq(float[n]) list, seq(string[n]) texts, optional(float[n]) maybe, seq(map(int64, float)) maps
) { plain = Identity(x) }"""
TAKER = '<ir_version: 10, opset_import: ["": 21]>\nb ({type} x) => ({type} y) {{ y = Identity(x) }}'


def model(text: str, path: Path) -> Path:
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def problems(folder: Path, given: str, taken: str) -> list[tuple[str, str, str | None]]:
    model(GIVER, folder / "a.onnx")
    model(TAKER.format(type=taken), folder / "b.onnx")
    spec = folder / "stack.yaml"
    spec.write_text(
        f"""version: 1
name: stack
sources: {{a: {{onnx: a.onnx}}, b: {{onnx: b.onnx}}}}
inputs: {{x: {{type: float32, shape: [n]}}}}
graph:
  a: {{kind: onnx, weights: a, inputs: {{x: x}}}}
  b: {{kind: onnx, weights: b, inputs: {{x: a.{given}}}}}
outputs: {{y: b.y}}
""",
        encoding="utf-8",
    )
    return [(each.code, each.message, each.hint) for each in check(spec).problems]


def test_ports_are_named_by_what_they_are(tmp_path: Path) -> None:
    header = read_header(model(GIVER, tmp_path / "a.onnx"))
    assert {name: str(type_) for name, type_ in header.outputs.items()} == {
        "plain": "float32[n]",
        "eight": "float8e4m3fn[n]",
        "brain": "bfloat16[n]",
        "four": "int4[n]",
        "list": "sequence(float32)",
        "texts": "sequence(string)",
        "maybe": "optional(float32)",
        "maps": "sequence(map(int64, float32))",
    }


@pytest.mark.parametrize("name", [name for name in TensorProto.DataType.keys() if name != "UNDEFINED"])  # noqa: SIM118 - an enum of protobuf
def test_every_element_type_of_onnx_has_a_name(tmp_path: Path, name: str) -> None:
    port = helper.make_tensor_value_info("x", TensorProto.DataType.Value(name), [2])
    onnx.save(helper.make_model(helper.make_graph([], "g", [port], [port])), tmp_path / "a.onnx")
    told = {"FLOAT": "float32", "DOUBLE": "float64"}.get(name, name.lower())
    assert read_header(tmp_path / "a.onnx").inputs["x"].dtype == told


def test_an_element_type_of_a_newer_onnx_is_told_by_its_number(tmp_path: Path) -> None:
    port = helper.make_tensor_value_info("x", 99, [2])
    onnx.save(helper.make_model(helper.make_graph([], "g", [port], [port])), tmp_path / "a.onnx")
    assert str(read_header(tmp_path / "a.onnx").inputs["x"]) == "element type 99[2]"


def test_a_sparse_tensor_is_named(tmp_path: Path) -> None:
    port = helper.make_sparse_tensor_value_info("x", TensorProto.FLOAT, [2])
    onnx.save(helper.make_model(helper.make_graph([], "g", [port], [])), tmp_path / "a.onnx")
    assert str(read_header(tmp_path / "a.onnx").inputs["x"]) == "sparse(float32)"


def test_a_type_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    inner = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    for _ in range(40):
        inner = helper.make_sequence_type_proto(inner)
    port = helper.make_value_info("x", inner)
    onnx.save(helper.make_model(helper.make_graph([], "g", [port], [])), tmp_path / "a.onnx")
    with pytest.raises(SourceError, match=r"R012 is too large to be examined: a type in it is nested too deeply"):
        read_header(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("given", "taken", "message", "hint"),
    [
        ("plain", "float8e4m3fn[n]", "float32[n] cannot feed float8e4m3fn[n]: the element types differ", "'cast'"),
        ("eight", "float8e5m2[n]", "float8e4m3fn[n] cannot feed float8e5m2[n]: the element types differ", "'cast'"),
        ("brain", "float16[n]", "bfloat16[n] cannot feed float16[n]", "kind 'cast' makes float16"),
        ("four", "uint4[n]", "int4[n] cannot feed uint4[n]", "kind 'cast' makes uint4"),
        ("plain", "float4e2m1[n]", "float32[n] cannot feed float4e2m1[n]", "convert it inside the exported file"),
        ("list", "float[n]", "sequence(float32) cannot feed a port that takes float32[n]", "ConcatFromSequence"),
        ("plain", "seq(float[n])", "float32[n] cannot feed a port that takes sequence(float32)", "SequenceConstruct"),
        ("list", "seq(string[n])", "sequence(float32) cannot feed a port that takes sequence(string)", "Sequence"),
        ("maybe", "float[n]", "optional(float32) cannot feed a port that takes float32[n]", "OptionalGetElement"),
        ("maps", "map(int64, float)", "sequence(map(int64, float32)) cannot feed a port that takes map(int64", "At"),
    ],
)
def test_types_that_do_not_fit_are_told_with_both_names(
    tmp_path: Path, given: str, taken: str, message: str, hint: str
) -> None:
    ((code, said, helped),) = problems(tmp_path, given, taken)
    assert code == "W003"
    assert message in said
    assert hint in (helped or "")


@pytest.mark.parametrize(
    ("given", "taken"),
    [("eight", "float8e4m3fn[n]"), ("list", "seq(float[n])"), ("maps", "seq(map(int64, float))")],
)
def test_types_that_fit_pass(tmp_path: Path, given: str, taken: str) -> None:
    assert problems(tmp_path, given, taken) == []


def test_the_check_of_types_imports_neither_onnx_nor_arrays_of_its_types(tmp_path: Path) -> None:
    problems(tmp_path, "list", "float[n]")
    program = (
        "import sys; from assembler.workflows.checking import check; "
        f"print([each.code for each in check({str(tmp_path / 'stack.yaml')!r}).problems], "
        "{'onnx', 'ml_dtypes', 'onnxruntime'} & set(sys.modules))"
    )
    given = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert given.stdout == "['W003'] set()\n"


def test_kinds_of_ours_take_tensors_alone(tmp_path: Path) -> None:
    model(GIVER, tmp_path / "a.onnx")
    spec = tmp_path / "stack.yaml"
    text = """version: 1
name: stack
sources: {a: {onnx: a.onnx}}
inputs: {x: {type: float32, shape: [n]}}
graph:
  a: {kind: onnx, weights: a, inputs: {x: x}}
  b: {PART}
outputs: {y: b.PORT}
"""
    part = "kind: transpose, inputs: {tensor: a.list}, order: [0]"
    spec.write_text(text.replace("PART", part).replace("PORT", "tensor"), encoding="utf-8")
    (problem,) = check(spec).problems
    assert problem.code == "W003"
    assert "sequence(float32) cannot feed a port that takes tensors alone" in problem.message
    part = "kind: operator, op: Relu, inputs: {X: a.list}"
    spec.write_text(text.replace("PART", part).replace("PORT", "Y"), encoding="utf-8")
    assert [each.code for each in check(spec).problems] == ["W020"]
    part = "kind: operator, op: SequenceAt, inputs: {input_sequence: a.list}, constants: {position: 0}"
    spec.write_text(text.replace("PART", part).replace("PORT", "tensor"), encoding="utf-8")
    assert check(spec).problems == ()
