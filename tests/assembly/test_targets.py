"""What `-o` may replace, and what it may not."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assembler import ModelError, SourceError, assemble

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

SPEC = """\
version: 1
name: sum
sources: {m: {onnx: m.onnx}}
inputs: {x: {type: float32, shape: [rows, 40]}}
graph: {m: {kind: onnx, weights: m, inputs: {x: x}}}
outputs: {y: m.y}
"""


def subgraph(folder: Path, location: str = "m.onnx.data") -> Path:
    """Write x @ w with w as external data, and a spec for it."""
    weights = numpy_helper.from_array(np.ones((40, 50), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 40])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 50])
    model = helper.make_model(
        helper.make_graph([node], "sum", [x], [y], [weights]), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    if location != "m.onnx.data":
        stub = onnx.load(folder / "m.onnx", load_external_data=False)
        stub.graph.initializer[0].external_data[0].value = location
        onnx.save(stub, folder / "m.onnx")
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    return folder / "spec.yaml"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("spec.yaml", "is the spec itself"),
        ("m.onnx", "is a source of the spec"),
        ("m.onnx.data", "holds the weights of the source 'm'"),
    ],
)
def test_a_file_that_the_build_reads_is_never_replaced(tmp_path: Path, name: str, what: str) -> None:
    spec = subgraph(tmp_path)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(ModelError, match=f"M009 {what}"):
        assemble(spec, tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_the_sentences_of_the_proof_are_never_replaced(shop: Workshop, checkpoint: Path) -> None:
    spec = shop.spec(checkpoint.parent)
    sentences = checkpoint.parent / "sentences.txt"
    before = sentences.read_bytes()
    with pytest.raises(ModelError, match="M009 holds the sentences of the proof"):
        assemble(spec, sentences)
    assert sentences.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_no_target(tmp_path: Path) -> None:
    spec = subgraph(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="M009 is no regular file"):
        assemble(spec, tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    spec = subgraph(tmp_path)
    (tmp_path / "real.onnx").write_bytes(b"old")
    (tmp_path / "link.onnx").symlink_to("real.onnx")
    assemble(spec, tmp_path / "link.onnx")
    assert (tmp_path / "link.onnx").is_symlink()
    onnx.checker.check_model(tmp_path / "real.onnx")


@pytest.mark.parametrize("location", ["/dev/zero", "../outside.data"])
def test_external_data_outside_its_folder_is_not_even_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "outside.data").write_bytes(b"secret")
    folder = tmp_path / "inside"
    folder.mkdir()
    spec = subgraph(folder, location)
    with pytest.raises(SourceError, match=r"R00[56] source 'm': .*(leaves its folder|not there|external data)"):
        assemble(spec, folder / "out.onnx")


def test_functions_that_stand_for_any_number_of_nodes_are_refused(tmp_path: Path) -> None:
    levels = [
        helper.make_function(
            "f", f"F{depth}", ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
        )
        for depth, nodes in (
            (depth, chain(f"F{depth - 1}" if depth else "Relu", "f" if depth else "")) for depth in range(8)
        )
    ]
    graph = helper.make_graph(
        [helper.make_node("F7", ["x"], ["y"], domain="f")],
        "bomb",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 40])],
    )
    model = helper.make_model(
        graph, functions=levels, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    )
    model.ir_version = 8
    onnx.save(model, tmp_path / "m.onnx")
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    with pytest.raises(
        SourceError, match=r"R014 source .m.: m\.onnx is not read: its functions expand to more than 1000000 nodes"
    ):
        assemble(tmp_path / "spec.yaml", tmp_path / "out.onnx")


def chain(op_type: str, domain: str) -> list[onnx.NodeProto]:
    names = ["a", *(f"t{index}" for index in range(9)), "b"]
    return [helper.make_node(op_type, [given], [gives], domain=domain) for given, gives in pairwise(names)]
