"""Loads exported ONNX subgraphs as parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper

from assembler.core.errors import ModelError, SourceError
from assembler.core.problems import Problem
from assembler.forms.one_part import OnePart
from assembler.isolation.onnx_tools import check, inlined
from assembler.onnx_file.external_data import ExternalData
from assembler.onnx_file.header import OnnxHeader, read_header
from assembler.onnx_file.messages import PATHS
from assembler.onnx_model.fragment import INLINE_BYTES, tensor_proto
from assembler.onnx_model.nesting import all_nodes
from assembler.onnx_subgraphs.conversion import at_opset
from assembler.onnx_subgraphs.copy import OnnxCopy, copy_onnx
from assembler.onnx_subgraphs.lifting import lift
from assembler.onnx_subgraphs.normalising import FREE_INITIALIZERS, TooDenseError, normalise
from assembler.onnx_subgraphs.output_types import require_shapes, with_inferred_outputs
from assembler.sources.location import local_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.core.arrays import Array, RuntimeValues
    from assembler.forms.source import Setting, Source
    from assembler.onnx_model.emitter import Emitter


@dataclass(frozen=True, slots=True, eq=False)
class OnnxSubgraph(OnePart):
    """An exported subgraph.

    Attributes:
        source: The source in the spec.
        digest: The SHA-256 of its file, its external data included.
        copy: The private copy of the file that all this was read from.
        ran: The file that is run: the copy, unless its format is too old for the inputs that are fed.
        header: Its ports.
        graph: Its graph, with stubs for large initializers.
        arrays: The arrays of the stubs.
        opsets: The version of each operator domain.
    """

    source: Source
    digest: str
    copy: OnnxCopy
    ran: Path
    header: OnnxHeader
    graph: onnx.GraphProto
    arrays: Mapping[str, Array]
    opsets: Mapping[str, int]

    sort: ClassVar[str] = "graph"

    @property
    def file(self) -> Path:
        """The file that is run."""
        return self.ran

    def run(self, inputs: RuntimeValues) -> RuntimeValues | None:
        """Run the unchanged file in ONNX Runtime: the bytes that were hashed."""
        from assembler.onnx_model.sessions import run_file

        with _marked(self.source):
            given = run_file(self.ran, inputs)
            require_shapes(self.copy.path.name, self.header, given)
        return given

    def graft(self, emit: Emitter) -> None:
        """Pass the whole graph to the emitter."""
        emit.graft(self.graph, self.arrays, {name: name for name in self.header.outputs}, self.opsets)


@contextmanager
def _marked(source: Source) -> Iterator[None]:
    """Add the place of the source in the spec to problems with a model."""
    try:
        yield
    except ModelError as err:
        problems = (Problem.at(source.mark, each.code, each.message, each.hint) for each in err.problems)
        raise ModelError(*problems) from err


def open_onnx(source: Source, setting: Setting) -> OnnxSubgraph:
    """Load an exported subgraph.

    Raises:
        SourceError: R001, R002, R005, R006, R013, R014.
        ModelError: It is at another opset, and may not be converted (M001) or cannot be (M002).
    """
    path = local_file(source, setting.folder)
    if path is None:  # an onnx source is always a path
        raise AssertionError(source)
    copy = copy_onnx(source, path)

    def unusable(reason: str) -> SourceError:
        return _unusable(source, path, reason.replace(str(copy.path.parent), str(path.parent)))

    try:
        header = read_header(copy.path)
        model = onnx.load(copy.path, load_external_data=False)
        first_versions = model.ir_version < FREE_INITIALIZERS  # in these files ONNX Runtime cannot feed initializers
        checked = _checked_file(copy.path, model)
        with _marked(source):
            check(checked, f"the checker, on {path.name}", unusable)
        _load_external_data(model, copy.path.parent)
    except TooDenseError as err:
        message = f"source '{source.name}': {path.name} cannot be assembled: {err}"
        raise SourceError(Problem.at(source.mark, "R005", message, "export it with dense weights")) from err
    except _DAMAGED as err:
        raise unusable(str(err) or type(err).__name__) from err
    if model.functions:
        # A function is known by its name and domain in the whole model, so those of two exporters could be confused.
        with _marked(source):
            model = inlined(
                model,
                f"the functions of {path.name}",
                unusable,
            )
    with _marked(source):
        model = at_opset(source, model, setting)
    used = _domains(model.graph)
    opsets = {entry.domain: entry.version for entry in model.opset_import if entry.domain in used}
    lift(model.graph)
    graph, arrays = _split(model.graph)
    with _marked(source):
        header = with_inferred_outputs(model, graph, header)
    ran = checked if first_versions and header.defaults else copy.path
    return OnnxSubgraph(source, copy.digest, copy, ran, header, graph, arrays, opsets)


def _checked_file(path: Path, model: onnx.ModelProto) -> Path:
    """Return the file that the checker reads: the copy, or the changed model beside it.

    There, outputs without a shape pass the checker: their shape is inferred, or found in a run.
    """
    changed = normalise(model)
    shapeless = [
        output
        for output in model.graph.output
        if output.type.HasField("tensor_type") and not output.type.tensor_type.HasField("shape")
    ]
    if not changed and not shapeless:
        return path
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    for output in shown.graph.output:
        if output.type.HasField("tensor_type") and not output.type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.SetInParent()
    beside = path.with_name(f"{path.name}.normalised")
    beside.write_bytes(shown.SerializeToString())
    return beside


def _domains(graph: onnx.GraphProto) -> set[str]:
    """Return the operator domains that a graph uses. Exporters also declare some that nothing uses."""
    return {node.domain for node in all_nodes(graph)}


def _load_external_data(model: onnx.ModelProto, folder: Path) -> None:
    """Load the bytes of every tensor anywhere in the model, because each version of onnx searches in other places.

    Raises:
        ValueError: The bytes of a tensor of plain numbers do not fit its dims.
    """
    with ExitStack() as stack:
        streams: dict[str, BinaryIO] = {}
        for tensor in _tensors("ModelProto", model):
            if not tensor.external_data:
                continue
            data = ExternalData.of({entry.key: entry.value for entry in tensor.external_data})
            if data.location not in streams:
                streams[data.location] = stack.enter_context((folder / data.location).open("rb"))
            streams[data.location].seek(data.offset)
            tensor.raw_data = streams[data.location].read(-1 if data.length is None else data.length)
            _require_size(tensor)
            del tensor.external_data[:]
            tensor.ClearField("data_location")


def _require_size(tensor: onnx.TensorProto) -> None:
    if tensor.data_type not in _PLAIN:
        return
    size = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * math.prod(tensor.dims)
    if size != len(tensor.raw_data):
        message = f"the external data of '{tensor.name:.60}' has {len(tensor.raw_data)} bytes, but its dims need {size}"
        raise ValueError(message)


def _tensors(kind: str, message: Any) -> Iterator[onnx.TensorProto]:  # noqa: ANN401 - a message of any kind
    """Yield the tensors in a message, whose kind is one of `PATHS`."""
    fields = type(message).DESCRIPTOR.fields_by_number
    for number, inner in PATHS[kind].items():
        if number not in fields:  # this version of onnx does not know the field, and drops it
            continue
        value = getattr(message, fields[number].name)
        for each in value if isinstance(value, Sequence) else [value]:
            if inner == "TensorProto":
                yield each
            elif each.ByteSize():
                yield from _tensors(inner, each)


#: The exceptions that reading a damaged file, or one that is not a model, can raise.
_DAMAGED = (OSError, ValueError, DecodeError, RuntimeError, onnx.checker.ValidationError)


def _unusable(source: Source, path: Path, reason: str) -> SourceError:
    reason = (reason.strip() or "no reason is given").splitlines()[0]
    message = f"source '{source.name}': {path.name} is not an ONNX model that can be used: {reason}"
    return SourceError(Problem.at(source.mark, "R006", message))


#: The element types that numpy has, byte for byte. Tensors of other types stay in the graph.
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
