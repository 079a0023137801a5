"""`init` writes a spec of exported files, which builds as it is where the files fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.parser
import pytest

from assembler.core.errors import ModelError, SourceError
from assembler.initialisation import write_spec
from assembler.spec.reading import parse_spec
from assembler.workflows.assembly import assemble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.assembly.conftest import Outcome

ENCODER = """encoder (float[batch, n, 4] x) => (float[batch, n, 4] states, float[batch, 4] pooled)
{
 states = Relu(x)
 pooled = ReduceMax<axes = [1], keepdims = 0>(x) }"""
HEAD = """head (float[b, 4] pooled, float[b, 2] prior) => (float[b, 2] scores)
<float[4, 2] w = {1, 2, 3, 4, 5, 6, 7, 8}> {
 y = MatMul(pooled, w)
 scores = Add(y, prior) }"""


def save(folder: Path, name: str, text: str, opset: int = 17) -> Path:
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{text}'), folder / name)
    return folder / name


def test_files_are_joined_where_names_and_types_agree(tmp_path: Path, cli: Callable[..., Outcome]) -> None:
    files = [str(save(tmp_path, "encoder.onnx", ENCODER)), str(save(tmp_path, "head.onnx", HEAD))]
    done = cli("init", *files, "-o", tmp_path / "stack.yaml")
    assert done.code == 0, done.err
    text = (tmp_path / "stack.yaml").read_text(encoding="utf-8")
    assert "  # head.onnx: pooled float32[b, 4], prior float32[b, 2] → scores float32[b, 2]\n" in text
    spec = parse_spec(text, str(tmp_path / "stack.yaml"))
    assert [*spec.inputs] == ["x", "prior"]
    assert {name: output.reference.text for name, output in spec.outputs.items()} == {
        "states": "encoder.states",
        "scores": "head.scores",
    }
    assert spec.graph["head"].connections[0].references[0].text == "encoder.pooled"


def test_an_edge_that_the_type_alone_proposes_is_a_question(tmp_path: Path) -> None:
    first = save(tmp_path, "a.onnx", "a (float[n, 4] x) => (float[n, 4] y) { y = Relu(x) }")
    second = save(tmp_path, "b.onnx", "b (float[n, 4] given) => (float[n, 4] z) { z = Neg(given) }")
    text = write_spec([str(first), str(second)], tmp_path)
    assert "      given: a.y  # by its type alone: is this meant?\n" in text
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    assert assemble(tmp_path / "s.yaml", tmp_path / "s.onnx").proven is not None


def test_the_only_sequence_of_a_type_is_proposed_too(tmp_path: Path) -> None:
    first = save(tmp_path, "a.onnx", "a (float[n] x) => (seq(float[m]) r) { r = SplitToSequence<axis = 0>(x) }")
    second = save(tmp_path, "b.onnx", "b (seq(float[m]) s) => (float[k] z) { z = ConcatFromSequence<axis = 0>(s) }")
    assert "      s: a.r  # by its type alone: is this meant?\n" in write_spec([str(first), str(second)], tmp_path)


def test_of_several_outputs_that_fit_none_is_taken_and_all_are_asked_for(tmp_path: Path) -> None:
    first = save(tmp_path, "a.onnx", "a (float[n] x) => (float[n] y, float[n] z) {\n y = Relu(x)\n z = Neg(x) }")
    second = save(tmp_path, "b.onnx", "b (float[n] given) => (float[n] w) { w = Neg(given) }")
    assert "given: given  # an input of the model: or is it a.y or a.z?" in write_spec(
        [str(first), str(second)], tmp_path
    )


@pytest.mark.parametrize("odd", ["input.1", "a", "serving default:0", "x/y", "12", "no", "日本"])
def test_odd_names_of_ports_and_files_are_kept_and_quoted(tmp_path: Path, odd: str) -> None:
    path = save(tmp_path, "a.onnx", "a (float[n, m] x) => (float[n, m] y) { y = Relu(x) }")
    model = onnx.load(path)
    model.graph.input[0].name = model.graph.node[0].input[0] = odd
    for size in model.graph.input[0].type.tensor_type.shape.dim:
        size.dim_param = "?"
    onnx.save(model, path)
    (tmp_path / "s.yaml").write_text(write_spec(str(path), tmp_path), encoding="utf-8")
    assert assemble(tmp_path / "s.yaml", tmp_path / "s.onnx").proven is not None
    (given,) = onnx.load(tmp_path / "s.onnx").graph.input
    assert given.name == (odd if odd != "a" else "input_a")


def test_the_same_file_twice_is_two_parts(tmp_path: Path) -> None:
    path = save(tmp_path, "a.onnx", "a (float[n] x) => (float[n] y) { y = Relu(x) }")
    spec = parse_spec(write_spec([str(path), str(path)], tmp_path), "s.yaml")
    assert [*spec.graph] == ["a", "a_2"]


def test_files_of_a_folder_beside_are_named_from_the_spec(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "specs").mkdir()
    path = save(tmp_path / "parts", "a.onnx", "a (float[n] x) => (float[n] y) { y = Relu(x) }")
    text = write_spec(str(path), tmp_path / "specs")
    assert "a: {onnx: ../parts/a.onnx}" in text


def test_a_damaged_file_and_a_mix_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x08\x3a\xff")
    with pytest.raises(SourceError, match="R006 is not an ONNX model"):
        write_spec(str(tmp_path / "bad.onnx"), tmp_path)
    good = save(tmp_path, "a.onnx", "a (float[n] x) => (float[n] y) { y = Relu(x) }")
    with pytest.raises(SourceError, match="R006 is an ONNX file; the others are no ONNX files"):
        write_spec([str(good), "de-pos"], tmp_path)
    with pytest.raises(SourceError, match="the text interface is that of taggers"):
        write_spec(str(good), tmp_path, text=True)


def test_an_input_that_a_spec_cannot_name_is_told(tmp_path: Path) -> None:
    path = save(tmp_path, "a.onnx", "a (float[n] x) => (float[n] y) { y = Relu(x) }")
    model = onnx.load(path)
    inner = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
    map_ = onnx.helper.make_map_type_proto(onnx.TensorProto.INT64, inner)
    model.graph.input[0].CopyFrom(onnx.helper.make_value_info("x", map_))
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"M005 the input 'x' is map\(int64, float32\) that a spec cannot name"):
        write_spec(str(path), tmp_path)


def test_the_spec_leaves_the_opset_to_the_newest_of_its_files(tmp_path: Path) -> None:
    first = save(tmp_path, "a.onnx", "a (float[n] x) => (float[n] y) { y = Relu(x) }", 13)
    second = save(tmp_path, "b.onnx", "b (float[n] y) => (float[n] z) { z = Neg(y) }", 18)
    text = write_spec([str(first), str(second)], tmp_path)
    assert "opset" not in text
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    built = assemble(tmp_path / "s.yaml", tmp_path / "s.onnx")
    assert onnx.load(built.path).opset_import[0].version == 18
