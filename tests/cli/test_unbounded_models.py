"""Models that ONNX Runtime, or onnx, would read without end: refused by their structure, by every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import TensorProto, helper

from assembler import ModelError
from assembler.cli.main import main
from assembler.onnx_file.expansion import DEEPEST_CALL, UnboundedError
from assembler.onnx_file.structure import DEEPEST_GRAPH, require_bounded
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPEC = """version: 1
name: stack
inputs: {x: {type: float32, shape: [1]}}
sources: {m: {onnx: m.onnx}}
graph: {part: {kind: onnx, weights: m, inputs: {x: x}}}
outputs: {y: part.y}
"""
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]


def model(nodes: Sequence[onnx.NodeProto], functions: Sequence[onnx.FunctionProto] = ()) -> onnx.ModelProto:
    ports = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])] for name in "xy"]
    graph = helper.make_graph(nodes, "g", *ports)
    return helper.make_model(graph, functions=functions, opset_imports=OPSETS, ir_version=8)


def function(name: str, *calls: str, attributes: Sequence[onnx.NodeProto] = ()) -> onnx.FunctionProto:
    names = ["x", *(f"t{place}" for place in range(len(calls) - 1)), "y"]
    nodes = [
        helper.make_node(call, [given], [gives], domain="f" if call.startswith("F") else "")
        for call, given, gives in zip(calls, names, names[1:], strict=False)
    ]
    return helper.make_function("f", name, ["x"], ["y"], [*nodes, *attributes], OPSETS)


def doubling(levels: int, width: int = 2) -> onnx.ModelProto:
    functions = [function(f"F{level}", *([f"F{level - 1}" if level else "Abs"] * width)) for level in range(levels)]
    return model([helper.make_node(f"F{levels - 1}", ["x"], ["y"], domain="f")], functions)


def in_a_circle() -> onnx.ModelProto:
    functions = [function("F0", "F2"), function("F1", "F0"), function("F2", "F1")]
    return model([helper.make_node("Abs", ["x"], ["y"])], functions)


def in_a_branch() -> onnx.ModelProto:
    """Return a function that calls itself from a branch inside itself."""
    branch = helper.make_graph(
        [helper.make_node("F0", ["x"], ["inner"], domain="f")], "b", [], [onnx.ValueInfoProto(name="inner")]
    )
    choice = helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch)
    return model([helper.make_node("F0", ["x"], ["y"], domain="f")], [function("F0", "Abs", attributes=[choice])])


def of_one_name() -> onnx.ModelProto:
    return model([helper.make_node("F0", ["x"], ["y"], domain="f")], [function("F0", "Abs"), function("F0", "Neg")])


def large_constants() -> onnx.ModelProto:
    """Return functions that expand to few nodes, but to more bytes than a model can have."""
    constant = helper.make_node(
        "Constant", [], ["c"], value=TensorProto(dims=[1 << 18], data_type=1, raw_data=b"\0" * (1 << 20))
    )
    functions = [function("F0", "Abs", attributes=[constant])]
    functions += [function(f"F{level}", f"F{level - 1}", f"F{level - 1}") for level in range(1, 13)]
    return model([helper.make_node("F12", ["x"], ["y"], domain="f")], functions)


def never_stored() -> onnx.ModelProto:
    tensor = TensorProto(name="w", dims=[1 << 62], data_type=1, raw_data=b"\0" * 4)
    whole = model([helper.make_node("Add", ["x", "w"], ["y"])])
    whole.graph.initializer.append(tensor)
    return whole


def never_stored_in_an_attribute() -> onnx.ModelProto:
    tensor = TensorProto(dims=[1 << 31, 1 << 31, 4], data_type=1)
    return model([helper.make_node("Constant", [], ["y"], value=tensor)])


def below_nothing() -> onnx.ModelProto:
    whole = never_stored()
    whole.graph.initializer[0].dims[0] = -4
    return whole


def sparse() -> onnx.ModelProto:
    whole = model([helper.make_node("Add", ["x", "w"], ["y"])])
    tensor = helper.make_sparse_tensor(
        helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [5]),
        [1 << 40],
    )
    whole.graph.sparse_initializer.append(tensor)
    return whole


def message(number: int, *parts: bytes) -> bytes:
    """Return a field that holds a message, in protobuf's encoding."""
    content = b"".join(parts)
    size, prefix = len(content), bytearray([number << 3 | 2])
    while size > 127:
        prefix.append(size & 127 | 128)
        size >>= 7
    return bytes([*prefix, size]) + content


def nested(depth: int) -> bytes:
    """Return a model whose graphs lie in graphs; onnx itself cannot write one deeper than a hundred messages."""
    graph = b""
    for _ in range(depth - 1):
        attribute = message(5, message(1, b"then_branch"), message(6, graph))
        graph = message(1, message(4, b"If"), attribute)
    return message(7, graph)


REFUSED = {
    "26 functions that call the one before twice": (doubling(26), "its functions expand to more than"),
    "60 functions": (doubling(60), "its functions expand to more than"),
    "many calls in one": (doubling(6, 12), "its functions expand to more than"),
    "a long row of calls": (
        doubling(DEEPEST_CALL + 1, 1),
        f"more than {DEEPEST_CALL} of its functions call each other",
    ),
    "a circle of functions": (in_a_circle(), r"its function 'F\d' calls itself"),
    "a circle by way of a branch": (in_a_branch(), "its function 'F0' calls itself"),
    "two functions of a name": (of_one_name(), "two of its functions are called 'F0'"),
    "constants in functions": (large_constants(), "its functions expand to more than"),
    "2^62 elements": (never_stored(), "a tensor in it declares 4611686018427387904 elements and does not hold them"),
    "2^64 elements": (never_stored_in_an_attribute(), "a tensor in it declares 2147483648 . 2147483648 . 4 elements"),
    "a negative size": (below_nothing(), "a tensor in it has a negative size"),
    "a sparse tensor": (sparse(), "a tensor in it declares 1099511627776 elements"),
    "graphs in graphs": (nested(DEEPEST_GRAPH + 1), f"its graphs are nested more than {DEEPEST_GRAPH} deep"),
    "10,000 graphs in graphs": (nested(10_000), f"its graphs are nested more than {DEEPEST_GRAPH} deep"),
}


@pytest.fixture(params=REFUSED)
def refused(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    content, text = REFUSED[request.param]
    path = tmp_path / "m.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    return path, text


def test_a_model_without_bounds_is_refused_before_it_is_loaded(refused: tuple[Path, str]) -> None:
    path, text = refused
    with pytest.raises(ModelError, match=rf"m\.onnx: M028 the model is not loaded: {text}"):
        Tagger(path)


@pytest.mark.parametrize("command", ["tag", "verify", "inspect", "diff"])
def test_every_command_refuses_a_model_without_bounds(
    refused: tuple[Path, str], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path, _ = refused
    with pytest.raises(SystemExit) as left:
        main([command, str(path), *([str(path)] if command == "diff" else [])])
    assert left.value.code == 1
    assert "m.onnx: M028 the model is not loaded: " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["build", "check"])
def test_an_exported_subgraph_without_bounds_is_refused(
    refused: tuple[Path, str], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path, _ = refused
    with pytest.raises(SystemExit) as left:
        main([command, str(path.with_name("spec.yaml"))])
    assert left.value.code == 1
    out, err = capsys.readouterr()
    assert "spec.yaml:4:21: R014 source 'm': m.onnx is not read: " in out + err
    assert list(path.parent.glob("*.onnx")) == [path]


@pytest.mark.parametrize(
    "whole",
    [doubling(8), doubling(DEEPEST_CALL, 1), nested(DEEPEST_GRAPH), model([helper.make_node("Abs", ["x"], ["y"])])],
    ids=["functions", "a row of functions", "graphs in graphs", "plain"],
)
def test_a_model_within_the_bounds_passes(tmp_path: Path, whole: onnx.ModelProto | bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(whole if isinstance(whole, bytes) else whole.SerializeToString())
    require_bounded(path)


def test_a_file_of_endless_fields_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assembler.onnx_file.structure.MOST_FIELDS", 100)
    path = tmp_path / "m.onnx"
    path.write_bytes(message(2, b"") * 101)
    with pytest.raises(UnboundedError, match="it has more than 100 fields"):
        require_bounded(path)


def test_what_protobuf_would_skip_is_not_skipped(tmp_path: Path) -> None:
    """A group, which no ONNX file has, could hide the rest of a file from a reader that gives up at it."""
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\xfb\x07\xfc\x07" + doubling(26).SerializeToString())
    with pytest.raises(ModelError, match=r"M011 ONNX Runtime cannot load .*: no protobuf field begins at byte 2"):
        Tagger(path)
