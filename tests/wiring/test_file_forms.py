"""Files of other formats are called what they are, by their first bytes, wherever a source names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from assembler.core.errors import SourceError
from assembler.flair_checkpoints.pickles import OtherFormError, read_checkpoint
from assembler.onnx_file.header import read_header
from assembler.workflows.assembly import assemble
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456\n"
SPEC = """version: 1
name: stack
sources: {a: {onnx: a.onnx}}
inputs: {x: {type: float32, shape: [n]}}
graph: {a: {kind: onnx, weights: a, inputs: {x: x}}}
outputs: {y: a.y}
"""
FORMS = [
    (POINTER, "a git-lfs pointer", "'git lfs pull' fetches it"),
    (b"\x1c\0\0\0TFL3" + b"\0" * 60, "a TFLite model", "tf2onnx"),
    (b"\x30\0\0\0ORTM" + b"\0" * 60, "a model of ONNX Runtime's own format", "the ONNX file that it was made of"),
    (b"PK\x03\x04" + b"\0" * 60, "a zip archive", "unpack it"),
    (b'\x40\0\0\0\0\0\0\0{"__metadata__":{}}' + b" " * 60, "a safetensors file", "without a graph"),
    (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "an HDF5 file", "export the model to ONNX"),
    (b"GGUF\x03\0\0\0" + b"\0" * 60, "a GGUF file", "export the model to ONNX"),
]


def stack(folder: Path) -> Path:
    spec = folder / "stack.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    return spec


@pytest.mark.parametrize(("content", "name", "hint"), FORMS, ids=[name for _, name, _ in FORMS])
def test_a_file_of_another_format_is_named(tmp_path: Path, content: bytes, name: str, hint: str) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    (problem,) = check(stack(tmp_path)).problems
    assert problem.code == "R006"
    assert f"a.onnx is not an ONNX model: it is {name}" in problem.message
    assert hint in (problem.hint or "")
    for call in (
        lambda: assemble(tmp_path / "stack.yaml", tmp_path / "o.onnx"),
        lambda: read_header(tmp_path / "a.onnx"),
    ):
        with pytest.raises(SourceError, match="R006") as raised:
            call()
        assert name in raised.value.problems[0].message
        assert hint in (raised.value.problems[0].hint or "")


@pytest.mark.parametrize(("content", "name", "hint"), [form for form in FORMS if form[1] != "a zip archive"])
def test_a_checkpoint_of_another_format_is_named(tmp_path: Path, content: bytes, name: str, hint: str) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with (tmp_path / "model.pt").open("rb") as stream, pytest.raises(OtherFormError, match=name) as raised:
        read_checkpoint(stream)
    assert (raised.value.code, hint in (raised.value.hint or "")) == ("R006", True)


def test_external_data_that_is_a_pointer_is_named(tmp_path: Path) -> None:
    text = '<ir_version: 8, opset_import: ["": 17]> a (float[n] x) => (float[n] y) { y = Add(x, w) }'
    model = onnx.parser.parse_model(text)
    weight = numpy_helper.from_array(np.ones(1000, np.float32), "w")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "a.data"), ("length", "4000")):
        weight.external_data.add(key=key, value=value)
    weight.ClearField("raw_data")
    model.graph.initializer.append(weight)
    onnx.save(model, tmp_path / "a.onnx")
    (tmp_path / "a.data").write_bytes(POINTER)
    (problem,) = check(stack(tmp_path)).problems
    assert problem.code == "R005"
    assert "'a.data' of a.onnx is a git-lfs pointer, and not the data: 'git lfs pull' fetches it" in problem.message
    (tmp_path / "a.data").write_bytes(b"short")
    (problem,) = check(tmp_path / "stack.yaml").problems
    assert "has 5 bytes, but a tensor needs those from 0 to 4000" in problem.message


def test_a_model_whose_first_bytes_are_like_those_of_another_format_is_read(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> a (float[n] x) => (float[n] y) { y = Abs(x) }'
    )
    model.producer_name = "TFL3"
    onnx.save(model, tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes()[4:8] == b"TFL3"
    assert check(stack(tmp_path)).problems == ()
