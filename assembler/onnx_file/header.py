"""Reads the inputs and outputs of an ONNX file without onnx, and without its weights.

`assemble check` must know the ports of exported subgraphs in milliseconds, so this walks the protobuf fields of the
header and seeks past everything else. Field numbers are those of onnx.proto; wire format:
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import dataclasses
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.core.regular_files import open_regular
from assembler.core.tensors import Dim, TensorType, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.core.arrays import Arrays

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_NEGATIVE = 1 << 63
#: The most inputs, or outputs, that a model may have.
_MOST_PORTS = 4096

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
        defaults: The inputs that are initializers too, and so need not be fed.
    """

    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    opset: int
    metadata: Mapping[str, str]
    defaults: Mapping[str, TensorType] = dataclasses.field(default_factory=dict)

    def facts(self) -> Mapping[str, int]:
        """Return nothing: the sizes are in the types."""
        return {}

    def run(self, inputs: Arrays) -> Arrays | None:  # noqa: ARG002 - the protocol's signature
        """Return `None`: a header cannot be run."""
        return None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its number, its value where that is a number, and where its content stands."""

    number: int
    value: int
    start: int
    length: int


class TooLargeError(ValueError):
    """A header has more in it than is read of one."""


class Allowance:
    """What may still be spent on headers: a file can hold any number of fields, and a spec name any number of files."""

    def __init__(self) -> None:
        """Begin with what the largest models need several times over."""
        self._fields = 2_000_000
        self._text = 1 << 26

    def spend_field(self) -> None:
        """Count a field.

        Raises:
            TooLargeError: There were too many.
        """
        self._fields -= 1
        if self._fields < 0:
            message = "it has more fields than are read of a header"
            raise TooLargeError(message)

    def spend_text(self, length: int) -> None:
        """Count the bytes of a text, before they are read.

        Raises:
            TooLargeError: There were too many.
        """
        self._text -= length
        if self._text < 0:
            message = "its names and metadata are longer than 64 MiB"
            raise TooLargeError(message)


class Wire:
    """A file whose fields are counted."""

    def __init__(self, stream: BinaryIO, allowance: Allowance) -> None:
        """Begin to count, or go on."""
        self.stream = stream
        self.allowance = allowance


def read_header(path: Path) -> OnnxHeader:
    """Return the header of an ONNX file.

    Raises:
        SourceError: The file cannot be read (R001), is no ONNX model (R006) or has too large a header (R012).
    """
    with problems_of(str(path)), open_regular(path) as stream:
        return header_of(stream, Allowance())


def header_of(stream: BinaryIO, allowance: Allowance) -> OnnxHeader:
    """Return the header of an ONNX file that is open.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no ONNX model.
    """
    return _model(Wire(stream, allowance), stream.seek(0, os.SEEK_END))


@contextmanager
def problems_of(file: str) -> Iterator[None]:
    """Say of a file what is wrong with it (R001, R006, R012)."""
    try:
        yield
    except OSError as err:
        raise SourceError(Problem("R001", f"cannot be read: {err.strerror or err}", file=file)) from err
    except ValueError as err:
        raise SourceError(header_problem(err, file)) from err


def header_problem(err: ValueError, file: str) -> Problem:
    """Return what is wrong with a file whose header is not understood (R006), or too large (R012)."""
    if isinstance(err, TooLargeError):
        return Problem("R012", f"is too large to be looked at: {err}", file=file)
    return Problem("R006", f"is not an ONNX model: {err}", file=file)


def _model(wire: Wire, size: int) -> OnnxHeader:
    opset = 0
    graph: Field | None = None
    metadata: dict[str, str] = {}
    for field in fields(wire, 0, size):
        if field.number == 7:  # noqa: PLR2004 - ModelProto.graph
            graph = field
        elif field.number == 8:  # noqa: PLR2004 - ModelProto.opset_import
            opset = _opset(wire, field) or opset
        elif field.number == 14:  # noqa: PLR2004 - ModelProto.metadata_props
            texts = {part.number: text(wire, part) for part in fields(wire, field.start, field.length)}
            metadata[texts.get(1, "")] = texts.get(2, "")
    if graph is None:
        message = "it has no graph"
        raise ValueError(message)
    names: set[str] = set()
    infos: dict[int, list[tuple[str, TensorType]]] = {11: [], 12: []}
    for field in fields(wire, graph.start, graph.length):
        if field.number == 5:  # noqa: PLR2004 - GraphProto.initializer
            names.update(text(wire, part) for part in fields(wire, field.start, field.length) if part.number == 8)  # noqa: PLR2004 - TensorProto.name
        elif field.number in infos:
            infos[field.number].append(_value_info(wire, field))
            if len(infos[field.number]) > _MOST_PORTS + len(names):
                message = f"it has more than {_MOST_PORTS} inputs or outputs"
                raise TooLargeError(message)
    inputs = {name: type_ for name, type_ in infos[11] if name not in names}
    defaults = {name: type_ for name, type_ in infos[11] if name in names}
    return OnnxHeader(inputs, dict(infos[12]), opset, metadata, defaults)


def _opset(wire: Wire, field: Field) -> int:
    domain, version = "", 0
    for part in fields(wire, field.start, field.length):
        if part.number == 1:
            domain = text(wire, part)
        elif part.number == 2:  # noqa: PLR2004 - OperatorSetIdProto.version
            version = part.value
    return version if domain in {"", "ai.onnx"} else 0


def _value_info(wire: Wire, field: Field) -> tuple[str, TensorType]:
    name, element, dims = "", None, None
    for part in fields(wire, field.start, field.length):
        if part.number == 1:
            name = text(wire, part)
    for path in _inside(wire, field, 2, 1):  # ValueInfoProto.type, TypeProto.tensor_type
        for part in fields(wire, path.start, path.length):
            if part.number == 1:  # Tensor.elem_type
                element = _ELEMENT_TYPES.get(part.value)
            elif part.number == 2:  # noqa: PLR2004 - Tensor.shape
                entries = [dim for dim in fields(wire, part.start, part.length) if dim.number == 1]
                wire.allowance.spend_text(len(entries) * len(name))  # which names the dims that have none
                dims = tuple(_dim(wire, dim, f"{name}.{axis}") for axis, dim in enumerate(entries))
    return name, TensorType(element, dims)


def _dim(wire: Wire, field: Field, default: str) -> Dim:
    for part in fields(wire, field.start, field.length):
        if part.number == 1 and 0 <= part.value < _NEGATIVE:
            return part.value  # exporters write -1, a large number in this encoding, for a dim that is open
        if part.number == 2:  # noqa: PLR2004 - Dimension.dim_param
            name = text(wire, part)
            return Variable(name or default, told=bool(name))
    return Variable(default)


def _inside(wire: Wire, field: Field, *numbers: int) -> Iterator[Field]:
    if not numbers:
        yield field
        return
    for part in fields(wire, field.start, field.length):
        if part.number == numbers[0]:
            yield from _inside(wire, part, *numbers[1:])


def text(wire: Wire, field: Field) -> str:
    """Return the text in a field."""
    wire.allowance.spend_text(field.length)
    wire.stream.seek(field.start)
    return wire.stream.read(field.length).decode("utf-8")


def fields(wire: Wire, start: int, length: int) -> Iterator[Field]:
    """Yield the fields of one message; their contents are not read."""
    position, end, stream = start, start + length, wire.stream
    while position < end:
        wire.allowance.spend_field()
        stream.seek(position)
        key, position = _varint(stream, position)
        form, value, size = key & 7, 0, 0
        if form == _VARINT:
            value, position = _varint(stream, position)
        elif form == _BYTES:
            size, position = _varint(stream, position)
        elif form in {_FIXED64, _FIXED32}:
            size = 8 if form == _FIXED64 else 4
        else:
            message = f"byte {position} begins no protobuf field"
            raise ValueError(message)
        if position + size > end or key >> 3 == 0:
            message = "it is cut short or damaged"
            raise ValueError(message)
        yield Field(key >> 3, value, position, size)
        position += size


def packed_numbers(wire: Wire, field: Field) -> list[int]:
    """Return the whole numbers that a field holds one after the other."""
    wire.allowance.spend_text(field.length)
    wire.stream.seek(field.start)
    numbers, position = [], field.start
    while position < field.start + field.length:
        number, position = _varint(wire.stream, position)
        numbers.append(number)
    return numbers


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
