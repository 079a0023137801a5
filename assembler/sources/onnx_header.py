"""Reads the inputs and outputs of an ONNX file without onnx, and without its weights.

`assemble check` must know the ports of exported subgraphs in milliseconds, so this walks the protobuf fields of the
header and seeks past everything else. Field numbers are those of onnx.proto; wire format:
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assembler.errors import SourceError
from assembler.problems import Problem
from assembler.wiring.tensors import Dim, TensorType, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.sources.weights import Arrays

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_NEGATIVE = 1 << 63
_LONGEST_TEXT = 1 << 26

# onnx.proto's TensorProto.DataType
_ELEMENT_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """What the outside sees of an ONNX file.

    Attributes:
        inputs: The inputs without the initializers, by name, in order. Dynamic dims are variables.
        outputs: The outputs likewise.
        opset: The version of the default operator domain, or 0 where the file does not say.
        metadata: The file's `metadata_props`.
    """

    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    opset: int
    metadata: Mapping[str, str]

    def facts(self) -> Mapping[str, int]:
        """Return nothing: the sizes are in the types."""
        return {}

    def run(self, inputs: Arrays) -> Arrays | None:  # noqa: ARG002 - the protocol's signature
        """Return `None`: a header cannot be run."""
        return None


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    value: int
    start: int
    length: int


def read_header(path: Path) -> OnnxHeader:
    """Return the header of an ONNX file.

    Raises:
        SourceError: The file cannot be read (R001) or is no ONNX model (R006).
    """
    try:
        with path.open("rb") as stream:
            return _model(stream, os.fstat(stream.fileno()).st_size)
    except OSError as err:
        raise SourceError(Problem("R001", f"cannot be read: {err.strerror or err}", file=str(path))) from err
    except (ValueError, UnicodeDecodeError) as err:
        raise SourceError(Problem("R006", f"is not an ONNX model: {err}", file=str(path))) from err


def _model(stream: BinaryIO, size: int) -> OnnxHeader:
    opset = 0
    graph: _Field | None = None
    metadata: dict[str, str] = {}
    for field in _fields(stream, 0, size):
        if field.number == 7:  # noqa: PLR2004 - ModelProto.graph
            graph = field
        elif field.number == 8:  # noqa: PLR2004 - ModelProto.opset_import
            opset = _opset(stream, field) or opset
        elif field.number == 14:  # noqa: PLR2004 - ModelProto.metadata_props
            texts = {part.number: _text(stream, part) for part in _fields(stream, field.start, field.length)}
            metadata[texts.get(1, "")] = texts.get(2, "")
    if graph is None:
        message = "it has no graph"
        raise ValueError(message)
    names: set[str] = set()
    infos: dict[int, list[tuple[str, TensorType]]] = {11: [], 12: []}
    for field in _fields(stream, graph.start, graph.length):
        if field.number == 5:  # noqa: PLR2004 - GraphProto.initializer
            names.update(_text(stream, part) for part in _fields(stream, field.start, field.length) if part.number == 8)  # noqa: PLR2004 - TensorProto.name
        elif field.number in infos:
            infos[field.number].append(_value_info(stream, field))
    inputs = {name: type_ for name, type_ in infos[11] if name not in names}
    return OnnxHeader(inputs, dict(infos[12]), opset, metadata)


def _opset(stream: BinaryIO, field: _Field) -> int:
    domain, version = "", 0
    for part in _fields(stream, field.start, field.length):
        if part.number == 1:
            domain = _text(stream, part)
        elif part.number == 2:  # noqa: PLR2004 - OperatorSetIdProto.version
            version = part.value
    return version if domain in {"", "ai.onnx"} else 0


def _value_info(stream: BinaryIO, field: _Field) -> tuple[str, TensorType]:
    name, element, dims = "", None, None
    for part in _fields(stream, field.start, field.length):
        if part.number == 1:
            name = _text(stream, part)
    for path in _inside(stream, field, 2, 1):  # ValueInfoProto.type, TypeProto.tensor_type
        for part in _fields(stream, path.start, path.length):
            if part.number == 1:  # Tensor.elem_type
                element = _ELEMENT_TYPES.get(part.value)
            elif part.number == 2:  # noqa: PLR2004 - Tensor.shape
                entries = [dim for dim in _fields(stream, part.start, part.length) if dim.number == 1]
                dims = tuple(_dim(stream, dim, f"{name}.{axis}") for axis, dim in enumerate(entries))
    return name, TensorType(element, dims)


def _dim(stream: BinaryIO, field: _Field, default: str) -> Dim:
    for part in _fields(stream, field.start, field.length):
        if part.number == 1 and 0 <= part.value < _NEGATIVE:
            return part.value  # exporters write -1, a large number in this encoding, for a dim that is open
        if part.number == 2:  # noqa: PLR2004 - Dimension.dim_param
            return Variable(_text(stream, part) or default)
    return Variable(default)


def _inside(stream: BinaryIO, field: _Field, *numbers: int) -> Iterator[_Field]:
    if not numbers:
        yield field
        return
    for part in _fields(stream, field.start, field.length):
        if part.number == numbers[0]:
            yield from _inside(stream, part, *numbers[1:])


def _text(stream: BinaryIO, field: _Field) -> str:
    if field.length > _LONGEST_TEXT:
        message = "a text is longer than 64 MiB"
        raise ValueError(message)
    stream.seek(field.start)
    return stream.read(field.length).decode("utf-8")


def _fields(stream: BinaryIO, start: int, length: int) -> Iterator[_Field]:
    """Yield the fields of one message; their contents are not read."""
    position, end = start, start + length
    while position < end:
        stream.seek(position)
        key, position = _varint(stream, position)
        wire, value, size = key & 7, 0, 0
        if wire == _VARINT:
            value, position = _varint(stream, position)
        elif wire == _BYTES:
            size, position = _varint(stream, position)
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
        else:
            message = f"byte {position} begins no protobuf field"
            raise ValueError(message)
        if position + size > end or key >> 3 == 0:
            message = "it is cut short or damaged"
            raise ValueError(message)
        yield _Field(key >> 3, value, position, size)
        position += size


def _varint(stream: BinaryIO, position: int) -> tuple[int, int]:
    result = 0
    for index in range(_LONGEST_VARINT):
        byte = stream.read(1)
        if not byte:
            message = "it ends in the middle of a field"
            raise ValueError(message)
        result |= (byte[0] & 0x7F) << (7 * index)
        if not byte[0] & 0x80:
            return result, position + index + 1
    message = f"byte {position} begins no number"
    raise ValueError(message)
