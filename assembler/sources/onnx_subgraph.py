"""Loads exported ONNX subgraphs as parts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper

from assembler.errors import ModelError, SourceError
from assembler.isolation.onnx_tools import check, converted, inlined
from assembler.parts.emitter import INLINE_BYTES, tensor_proto
from assembler.problems import Problem
from assembler.regular_files import open_regular
from assembler.sources.digest import checked_digest
from assembler.sources.flair_location import local_file
from assembler.sources.onnx_bounds import require_bounded_source
from assembler.sources.onnx_header import OnnxHeader, read_header
from assembler.spec.schema import OPSETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.parts.emitter import Emitter
    from assembler.sources.weights import Array, Arrays
    from assembler.spec.model import Source


@dataclass(frozen=True, slots=True, eq=False)
class OnnxSubgraph:
    """An exported subgraph.

    Attributes:
        source: The source in the spec.
        digest: The SHA-256 of its file, its external data included.
        path: The file.
        header: Its ports.
        graph: Its graph, with stubs for large initializers.
        arrays: The arrays of the stubs.
        opsets: The version of each operator domain.
    """

    source: Source
    digest: str
    path: Path
    header: OnnxHeader
    graph: onnx.GraphProto
    arrays: Mapping[str, Array]
    opsets: Mapping[str, int]

    def facts(self) -> Mapping[str, int]:
        """Return nothing: the sizes are in the header."""
        return {}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the file itself, untouched, in ONNX Runtime."""
        from assembler.proof.sessions import run_file

        with _marked(self.source):
            return run_file(self.path, inputs)

    def graft(self, emit: Emitter) -> None:
        """Give the graph to the emitter as a whole."""
        emit.graft(self.graph, self.arrays, {name: name for name in self.header.outputs}, self.opsets)


@contextmanager
def _marked(source: Source) -> Iterator[None]:
    """Say of problems with a model where the source stands in the spec."""
    try:
        yield
    except ModelError as err:
        problems = (Problem.at(source.mark, each.code, each.message, each.hint) for each in err.problems)
        raise ModelError(*problems) from err


def open_onnx(source: Source, folder: Path, opset: int) -> OnnxSubgraph:
    """Load an exported subgraph.

    Args:
        source: The source in the spec.
        folder: The folder that its path is relative to.
        opset: The opset of the spec, which the file must have unless the source says `convert: true`.

    Raises:
        SourceError: R001, R002, R006, R014.
        ModelError: Another opset (M001), or no way to convert it (M002).
    """
    path = local_file(source, folder)
    if path is None:  # an onnx source is always a path
        raise AssertionError(source)
    with open_regular(path) as stream:
        require_bounded_source(source, path, stream)
    try:
        header = read_header(path)
        digest = checked_digest(source, path, data_files(source, path))
        with _marked(source):
            check(path, f"the checker, on {path.name}", lambda reason: _unusable(source, path, reason))
        model = onnx.load(path)
    except _DAMAGED as err:
        raise _unusable(source, path, str(err) or type(err).__name__) from err
    if model.graph.sparse_initializer:
        message = f"source '{source.name}': {path.name} has sparse initializers, which cannot be assembled"
        raise SourceError(Problem.at(source.mark, "R005", message, "export it with dense weights"))
    if model.functions:
        # Functions are known by name and domain for a whole model, so two exporters' functions could be taken for one.
        with _marked(source):
            model = inlined(model, f"the functions of {path.name}", lambda reason: _unusable(source, path, reason))
    model = _at_opset(source, model, opset)
    used = _domains(model.graph)
    opsets = {entry.domain: entry.version for entry in model.opset_import if entry.domain in used}
    graph, arrays = _split(model.graph)
    return OnnxSubgraph(source, digest, path, header, graph, arrays, opsets)


def _domains(graph: onnx.GraphProto) -> set[str]:
    """Return the operator domains that a graph uses: exporters also import some that nothing uses."""
    found = {node.domain for node in graph.node}
    return found.union(*(_domains(nested) for nested in _nested(graph)))


def _nested(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        yield from _nested_in(node)


def _nested_in(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
    for nested in _nested(graph):
        yield from _tensors(nested)


#: What reading a file that is no model, or a damaged one, can raise.
_DAMAGED = (OSError, ValueError, DecodeError, RuntimeError, onnx.checker.ValidationError)


def _unusable(source: Source, path: Path, reason: str) -> SourceError:
    reason = (reason.strip() or "no reason is given").splitlines()[0]
    message = f"source '{source.name}': {path.name} is not an ONNX model that can be used: {reason}"
    return SourceError(Problem.at(source.mark, "R006", message))


def data_files(source: Source, path: Path) -> list[Path]:
    """Return the files of external data that an ONNX file names, sorted.

    Raises:
        SourceError: The file is damaged (R006), or names data that is not a regular file below its own folder (R005).
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except _DAMAGED as err:
        raise _unusable(source, path, str(err) or type(err).__name__) from err
    names = {
        entry.value
        for tensor in _tensors(model.graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    folder = path.parent.resolve()
    for name in sorted(names):
        data = path.parent / name
        if not data.is_file() or not data.resolve().is_relative_to(folder):
            what = "leaves its folder" if data.exists() else "is not there"
            message = f"source '{source.name}': the external data '{name}' of {path.name} {what}"
            raise SourceError(Problem.at(source.mark, "R005", message, "external data lies beside the model"))
    return [path.parent / name for name in sorted(names)]


def _at_opset(source: Source, model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return the model at the opset of the spec; an opset is never relabelled."""
    actual = next((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), opset)
    if actual == opset:
        return model
    what = f"source '{source.name}': the file is at opset {actual}, the spec at {opset}"
    if not source.convert:
        hint = "set 'convert: true' at the source"
        if OPSETS[0] <= actual <= OPSETS[1]:
            hint = f"set 'opset: {actual}' in the spec, or 'convert: true' at the source"
        raise ModelError(Problem.at(source.mark, "M001", what, hint))
    with _marked(source):
        return converted(
            model,
            opset,
            f"the conversion of source '{source.name}'",
            lambda reason: ModelError(Problem("M002", f"{what}, and {_blocking_node(model, reason)}")),
        )


def _blocking_node(model: onnx.ModelProto, reason: str) -> str:
    """Return which node blocks a conversion: the converter names its operator, at most."""
    for node in model.graph.node:
        if node.op_type and node.op_type in reason.replace(":", " ").split():
            name = node.name or ", ".join(node.output)
            return f"the node '{name}' ({node.op_type}) cannot be converted: {reason}"
    return f"it cannot be converted: {reason}"


#: Element types that numpy has itself, byte for byte; others stay in the graph as they are.
_PLAIN = frozenset(
    helper.np_dtype_to_tensor_dtype(np.dtype(name))
    for name in (
        *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64", "bool"),
    )
)


def _split(graph: onnx.GraphProto) -> tuple[onnx.GraphProto, dict[str, Array]]:
    """Return the graph with stubs, and the arrays that belong to them, without a copy of the data."""
    arrays: dict[str, Array] = {}
    stubs = []
    for tensor in graph.initializer:
        raw = tensor.raw_data
        numeric = tensor.data_type in _PLAIN
        if (
            numeric
            and len(raw) > INLINE_BYTES
            and helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * int(np.prod(tensor.dims, dtype=np.int64))
            == len(raw)
        ):
            array: Array = np.frombuffer(raw, helper.tensor_dtype_to_np_dtype(tensor.data_type)).reshape(tensor.dims)
        elif numeric and not raw:
            array = numpy_helper.to_array(tensor)
        else:
            stubs.append(tensor)
            continue
        stub = tensor_proto(tensor.name, array)
        if stub.data_location == onnx.TensorProto.EXTERNAL:
            arrays[tensor.name] = array
        stubs.append(stub)
    result = onnx.GraphProto(name=graph.name)
    result.node.extend(graph.node)
    result.initializer.extend(stubs)
    return result, arrays
