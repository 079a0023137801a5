"""The ports of an exported subgraph are checked against its file, where the file is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.parser
import pytest

from assembler.core.errors import SourceError
from assembler.core.tensors import TensorType, Variable
from assembler.onnx_file.header import read_header
from assembler.workflows.assembly import assemble
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
<ir_version: 8, opset_import: ["": 17]>
lm (int64[batch, 3] ids, float[batch, 2] extra, float w) => (float[batch, 3] y, float[batch, 2] z)
<float w = {2.0}>
{
  real = Cast<to = 1>(ids)
  y = Mul(real, w)
  z = Mul(extra, w)
}
"""

SPEC = """version: 1
name: a
sources: {{lm: {{onnx: lm.onnx}}}}
inputs:
  ids: {{type: int64, shape: [rows, 3]}}
  extra: {{type: float32, shape: [{dim}, 2]}}
graph:
  lm: {{kind: onnx, weights: lm, {more}inputs: {{{inputs}}}}}
outputs: {{y: lm.{output}, z: lm.z}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    onnx.save(onnx.parser.parse_model(MODEL), tmp_path / "lm.onnx")
    return tmp_path


def told(
    folder: Path, *, inputs: str = "ids: ids, extra: extra", output: str = "y", dim: str = "rows", more: str = ""
) -> list[tuple[str, str, str | None]]:
    path = folder / "a.yaml"
    path.write_text(SPEC.format(inputs=inputs, output=output, dim=dim, more=more), encoding="utf-8")
    return [(p.code, p.message, p.hint) for p in check(path).problems]


def test_the_header_gives_inputs_without_initializers_and_outputs(folder: Path) -> None:
    header = read_header(folder / "lm.onnx")
    batch = Variable("batch")
    assert header.inputs == {"ids": TensorType("int64", (batch, 3)), "extra": TensorType("float32", (batch, 2))}
    assert list(header.outputs) == ["y", "z"]
    assert header.opset == 17


@pytest.mark.parametrize(
    "more", [b"\x38\x05", b"\x3d\x00\x00\x00\x00"], ids=["a graph that is a number", "a graph of four bytes"]
)
def test_a_field_of_another_wire_type_is_skipped_as_protobuf_does(folder: Path, more: bytes) -> None:
    path = folder / "lm.onnx"
    expected = read_header(path)
    path.write_bytes(path.read_bytes() + more)
    assert [port.name for port in onnx.load(path).graph.output] == [*expected.outputs]
    found = read_header(path)
    assert (found.inputs, found.outputs) == (expected.inputs, expected.outputs)


def test_a_spec_that_fits_the_file_has_no_problems(folder: Path) -> None:
    assert told(folder) == []


def test_an_unknown_port_of_the_file_is_told_with_the_nearest(folder: Path) -> None:
    found = told(folder, inputs="idz: ids, extra: extra")
    assert found == [("W002", "lm: kind 'onnx' has no input port 'idz'", "did you mean 'ids'?")]
    found = told(folder, output="why")
    assert found == [("W009", "the output 'y': kind 'onnx' has no output port 'why'", "its output ports: y, z")]


def test_a_port_of_the_file_that_nothing_feeds_is_told(folder: Path) -> None:
    found = told(folder, inputs="extra: extra")
    assert ("W008", "nothing feeds the port 'ids' of 'lm' (kind 'onnx')", "write under inputs: ids: …") in found


def test_types_and_dims_of_the_file_are_compared(folder: Path) -> None:
    found = told(folder, inputs="ids: extra, extra: ids")
    assert [code for code, _, _ in found] == ["W003", "W003"]
    assert "extra → lm.ids: float32[rows, 2] cannot feed int64[batch, 3]: the element types differ" in found[0][1]
    ((code, message, _),) = told(folder, dim="lines")
    assert code == "W004"
    assert "axis 0 is 'lines' here and 'rows' from ids → lm.ids" in message


def test_open_dims_of_the_file_can_be_named_and_a_wrong_name_is_told(folder: Path) -> None:
    assert told(folder, more="dims: {batch: rows}, ") == []
    found = told(folder, more="dims: {batches: rows}, ")
    assert found == [("W020", "lm: the file has no open dim 'batches'", "did you mean 'batch'?")]


def test_without_the_file_a_note_says_what_was_not_checked(tmp_path: Path) -> None:
    assert told(tmp_path, inputs="anything: ids, extra: extra", output="else") == []
    (note,) = check(tmp_path / "a.yaml").notes
    assert note == f"{tmp_path / 'a.yaml'}: the ports of 'lm' are not checked: {tmp_path / 'lm.onnx'} is not here"


@pytest.mark.parametrize("keep", range(0, 200, 7))
def test_a_file_that_is_cut_short_is_refused_wherever_it_ends(folder: Path, keep: int) -> None:
    data = (folder / "lm.onnx").read_bytes()
    assert len(data) > 200
    (folder / "lm.onnx").write_bytes(data[:keep])
    with pytest.raises(SourceError, match="is not an ONNX model"):
        read_header(folder / "lm.onnx")


def stack(folder: Path, first: str, second: str, edges: str, inputs: str, more: str = "") -> list[tuple[str, str]]:
    """Return the problems of two exported subgraphs in a row."""
    for name, text in (("first", first), ("second", second)):
        onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}'), folder / f"{name}.onnx")
    spec = (
        "version: 1\nname: a\nsources: {first: {onnx: first.onnx}, second: {onnx: second.onnx}}\n"
        f"inputs: {inputs}\ngraph:\n  first: {{kind: onnx, weights: first, {more}inputs: {{x: x}}}}\n"
        f"  second: {{kind: onnx, weights: second, inputs: {edges}}}\noutputs: {{z: second.z}}\n"
    )
    path = folder / "stack.yaml"
    path.write_text(spec, encoding="utf-8")
    return [(p.code, p.message) for p in check(path).problems]


X = "{x: {type: float32, shape: [n, 4]}}"


@pytest.mark.parametrize("dim", ["?", "unk__12", "Transposetokens_dim_2", "-1", "2*n"])
def test_a_dim_of_an_output_that_no_input_has_fits_every_other(tmp_path: Path, dim: str) -> None:
    first = "a (float[n, 4] x) => (float[d, d] y) { y = Identity(x) }"
    second = "b (float[7, 8] y) => (float[7, 8] z) { z = Identity(y) }"
    assert stack(tmp_path, first, second, "{y: first.y}", X) == []
    model = onnx.load(tmp_path / "first.onnx")
    for size in model.graph.output[0].type.tensor_type.shape.dim:
        size.dim_param = dim
    onnx.save(model, tmp_path / "first.onnx")
    assert check(tmp_path / "stack.yaml").problems == ()


def test_a_question_mark_twice_is_two_unknown_sizes(tmp_path: Path) -> None:
    first = "a (float[n, 4] x) => (float[n, 4] y) { y = Identity(x) }"
    second = "b (float[q, q] y) => (float[q, 4] z) { z = Identity(y) }"
    assert [code for code, _ in stack(tmp_path, first, second, "{y: first.y}", X)] == ["W004"]
    model = onnx.load(tmp_path / "second.onnx")
    for size in model.graph.input[0].type.tensor_type.shape.dim:
        size.dim_param = "?"
    onnx.save(model, tmp_path / "second.onnx")
    assert check(tmp_path / "stack.yaml").problems == ()


def test_dims_take_new_names_and_numbers_which_then_must_fit(tmp_path: Path) -> None:
    first = "a (float[n, 4] x) => (float[d, 4] y) { y = Identity(x) }"
    second = "b (float[3, 4] y) => (float[3, 4] z) { z = Identity(y) }"
    assert stack(tmp_path, first, second, "{y: first.y}", X, "dims: {d: 3}, ") == []
    assert stack(tmp_path, first, second, "{y: first.y}", X, "dims: {y.0: 3}, ") == []
    ((code, message),) = stack(tmp_path, first, second, "{y: first.y}", X, "dims: {y.0: 5}, ")
    assert (code, message.endswith("axis 0 is 5 here and 3")) == ("W004", True)
    ((code, message),) = stack(tmp_path, first, second, "{y: first.y}", X, "dims: {y.0: found}, ")
    assert (code, message.endswith("axis 0 is 'found' here and 3")) == ("W004", True)


def test_axes_that_two_exporters_name_the_other_way_round_are_refused(tmp_path: Path) -> None:
    first = "a (float[batch, src_len] x) => (float[batch, src_len] y) { y = Identity(x) }"
    second = "b (float[src_len, batch] y) => (float[src_len, batch] z) { z = Identity(y) }"
    x = "{x: {type: float32, shape: [batch, src_len]}}"
    ((code, message),) = stack(tmp_path, first, second, "{y: first.y}", x)
    assert code == "W004"
    assert "axis 0 is 'batch' here and 'src_len' there, axis 1 the other way round" in message
    (problem,) = check(tmp_path / "stack.yaml").problems
    assert problem.hint is not None
    assert problem.hint.endswith("write under the part dims: {src_len: batch, batch: src_len}")
    meant = (tmp_path / "stack.yaml").read_text(encoding="utf-8")
    meant = meant.replace("weights: second,", "weights: second, dims: {src_len: batch, batch: src_len},")
    (tmp_path / "stack.yaml").write_text(meant, encoding="utf-8")
    assert check(tmp_path / "stack.yaml").problems == ()


def test_a_size_that_two_inputs_of_a_file_share_must_be_one_size(tmp_path: Path) -> None:
    first = "a (float[n, 4] x) => (float[d, 4] y) { y = Identity(x) }"
    second = "b (float[m, 4] y, float[m, 4] w) => (float[m, 4] z) { z = Add(y, w) }"
    inputs = "{x: {type: float32, shape: [n, 4]}, w: {type: float32, shape: [other, 4]}}"
    assert stack(tmp_path, first, second, "{y: first.y, w: w}", inputs) == []
    named = stack(tmp_path, first, second, "{y: first.y, w: w}", inputs, "dims: {d: n}, ")
    assert [code for code, _ in named] == ["W004"]


def test_an_axis_of_no_elements_is_a_size(tmp_path: Path) -> None:
    first = "a (float[n, 0] x) => (float[n, 0] y) { y = Identity(x) }"
    second = "b (float[n, 0] y) => (float[n, 0] z) { z = Identity(y) }"
    assert stack(tmp_path, first, second, "{y: first.y}", "{x: {type: float32, shape: [n, 0]}}") == []


@pytest.mark.parametrize("name", ["input.1", "serving_default_x:0", "model/x", "x y", "p.q", "日本語"])
def test_inputs_and_outputs_have_the_names_that_hosts_call(tmp_path: Path, name: str) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]>\na (float[n] x) => (float[n] y) { y = Relu(x) }'
    )
    onnx.save(model, tmp_path / "a.onnx")
    spec = (
        "version: 1\nname: a\nsources: {a: {onnx: a.onnx}}\n"
        f'inputs: {{"{name}": {{type: float32, shape: [n]}}}}\n'
        f'graph: {{model: {{kind: onnx, weights: a, inputs: {{x: "{name}"}}}}}}\noutputs: {{"{name}:out": model.y}}\n'
    )
    (tmp_path / "a.yaml").write_text(spec, encoding="utf-8")
    assert check(tmp_path / "a.yaml").problems == ()
    assemble(tmp_path / "a.yaml", tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    assert [entry.name for entry in (*graph.input, *graph.output)] == [name, f"{name}:out"]


def test_a_public_name_that_a_tensor_of_a_part_has_takes_it_away(tmp_path: Path) -> None:
    text = "a (float[n] x) => (float[n] y) { inner = Neg(x)\n y = Neg(inner) }"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}'), tmp_path / "a.onnx")
    spec = (
        "version: 1\nname: a\nsources: {a: {onnx: a.onnx}}\ninputs: {p/inner: {type: float32, shape: [n]}}\n"
        "graph: {p: {kind: onnx, weights: a, inputs: {x: p/inner}}}\noutputs: {p//inner: p.y}\n"
    )
    (tmp_path / "a.yaml").write_text(spec, encoding="utf-8")
    assert assemble(tmp_path / "a.yaml", tmp_path / "out.onnx").proven is not None
    graph = onnx.load(tmp_path / "out.onnx").graph
    assert len({name for node in graph.node for name in (*node.input, *node.output)}) == 3


def test_an_input_whose_name_reads_as_a_port_is_refused(tmp_path: Path) -> None:
    first = "a (float[n, 4] x) => (float[n, 4] y) { y = Identity(x) }"
    second = "b (float[n, 4] y) => (float[n, 4] z) { z = Identity(y) }"
    inputs = "{x: {type: float32, shape: [n, 4]}, first.y: {type: float32, shape: [n, 4]}}"
    found = stack(tmp_path, first, second, "{y: first.y}", inputs)
    assert ("W010", "the name 'first.y' of an input reads as a port of the part 'first'") in found
