"""The ports of an exported subgraph are checked against its file, where the file is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx.parser
import pytest

from assembler.core.errors import SourceError
from assembler.core.tensors import TensorType, Variable
from assembler.onnx_file.header import read_header
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
