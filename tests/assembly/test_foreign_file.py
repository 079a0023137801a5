"""`inspect` tells what is in a file that `assemble` did not write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.assembly.conftest import Outcome


def foreign(folder: Path) -> Path:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1], producer_name: "tool", producer_version: "2.1">
        a (float[n, 4] x, float[4, 4] w) => (float[n, 4] y, int64[found, 2] places) {
            m = MatMul(x, w)
            y = com.microsoft.Gelu(m)
            p = NonZero(x)
            places = Transpose<perm = [1, 0]>(p)
        }"""
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 4), np.float32), "w"))
    model.metadata_props.add(key="author", value="a person\x1b[31m" + "x" * 500)
    onnx.save(model, folder / "foreign.onnx")
    return folder / "foreign.onnx"


def test_a_foreign_files_ports_operators_and_origin_are_told(tmp_path: Path, cli: Callable[..., Outcome]) -> None:
    path = foreign(tmp_path)
    done = cli("inspect", path)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].endswith("16 weights, written by tool 2.1; `assemble` did not write it")
    assert lines[1] == "opsets ai.onnx 17, com.microsoft 1; version 8 of the format"
    assert "  x  float32[n, 4]" in lines
    assert "  w  float32[4, 4]" in lines[lines.index("inputs that need not be fed") :]
    assert "  MatMul 1, Gelu 1, NonZero 1, Transpose 1" in lines
    assert "  com.microsoft  Gelu" in lines
    assert f"  a part of kind 'onnx': `assemble init {path}` writes a spec" in lines
    assert "  dims that only a run tells, which fit every other: found" in lines
    assert "\x1b" not in done.out
    assert max(map(len, lines)) < 400


def test_the_same_is_there_as_json(tmp_path: Path, cli: Callable[..., Outcome]) -> None:
    done = cli("inspect", "--format", "json", foreign(tmp_path))
    found = json.loads(done.out)
    assert found["operators"] == {"MatMul": 1, "Gelu": 1, "NonZero": 1, "Transpose": 1}
    assert found["weights"] == 16
    assert found["opsets"] == {"ai.onnx": 17, "com.microsoft": 1}
    assert found["inputs"] == [["x", "float32[n, 4]"]]


def test_weights_are_counted_without_being_read(tmp_path: Path, cli: Callable[..., Outcome]) -> None:
    tensor = TensorProto(name="w", dims=[1000, 1000], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="not-here.bin")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1000, 1000]) for name in "xy"]
    node = helper.make_node("Add", ["x", "w"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", ports[:1], ports[1:], [tensor]))
    onnx.save(model, tmp_path / "large.onnx")
    done = cli("inspect", tmp_path / "large.onnx")
    assert "1,000,000 weights" in done.out, done.err
