"""Reads the inputs and outputs of an ONNX file without onnx, and without its weights.

`assemble check` must know the ports of exported subgraphs in milliseconds, so this walks the protobuf fields of the
header and seeks past everything else. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assembler.core.errors import SourceError
from assembler.core.file_forms import hint_of, refuse_other_forms
from assembler.core.problems import Problem
from assembler.core.regular_files import open_regular
from assembler.onnx_file.allowance import Allowance, CountedFile, TooLargeError
from assembler.onnx_file.port_types import named_type
from assembler.onnx_file.wire import LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.core.arrays import Arrays
    from assembler.core.tensors import TensorType
    from assembler.onnx_file.wire import Field

#: The most inputs, or outputs, that a model may have.
_MOST_PORTS = 4096


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """The ports of an ONNX file, and what it says of itself.

    Attributes:
        inputs: The inputs without the initializers, by name, in order. Dynamic dims are variables.
        outputs: The outputs likewise.
        opset: The version of the default operator domain, or 0 if the file does not say.
        metadata: The file's `metadata_props`.
        defaults: The inputs that are also initializers, and therefore need not be fed.
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


def read_header(path: Path) -> OnnxHeader:
    """Return the header of an ONNX file.

    Raises:
        SourceError: The file cannot be read (R001), is not an ONNX model (R006), or has too large a header (R012).
    """
    with problems_of(str(path)), open_regular(path) as stream:
        return header_of(stream, Allowance())


def header_of(stream: BinaryIO, allowance: Allowance) -> OnnxHeader:
    """Return the header of an ONNX file that is open.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not an ONNX model.
    """
    refuse_other_forms(stream)
    return _model(CountedFile(stream, allowance))


@contextmanager
def problems_of(file: str) -> Iterator[None]:
    """Turn errors about a file into problems (R001, R006, R012)."""
    try:
        yield
    except OSError as err:
        raise SourceError(Problem("R001", f"cannot be read: {err.strerror or err}", file=file)) from err
    except ValueError as err:
        raise SourceError(header_problem(err, file)) from err


def header_problem(err: ValueError, file: str) -> Problem:
    """Return the problem of a file whose header is damaged (R006) or too large (R012)."""
    if isinstance(err, TooLargeError):
        return Problem("R012", f"is too large to be examined: {err}", file=file)
    return Problem("R006", f"is not an ONNX model: {err}", hint_of(err), file=file)


def _model(file: CountedFile) -> OnnxHeader:
    opset = 0
    graph: Field | None = None
    metadata: dict[str, str] = {}
    for field in file.fields(file.whole):
        if field.number == 7 and field.kind == LENGTH:  # noqa: PLR2004 - ModelProto.graph
            graph = field
        elif field.number == 8:  # noqa: PLR2004 - ModelProto.opset_import
            opset = _opset(file, field) or opset
        elif field.number == 14:  # noqa: PLR2004 - ModelProto.metadata_props
            texts = {part.number: file.text(part) for part in file.fields(field)}
            metadata[texts.get(1, "")] = texts.get(2, "")
    if graph is None:
        message = "it has no graph"
        raise ValueError(message)
    names: set[str] = set()
    infos: dict[int, list[tuple[str, TensorType]]] = {11: [], 12: []}
    for field in file.fields(graph):
        if field.number == 5:  # noqa: PLR2004 - GraphProto.initializer
            names.update(file.text(part) for part in file.fields(field) if part.number == 8)  # noqa: PLR2004 - TensorProto.name
        elif field.number in infos:
            infos[field.number].append(named_type(file, field))
            if len(infos[field.number]) > _MOST_PORTS + len(names):
                message = f"it has more than {_MOST_PORTS} inputs or outputs"
                raise TooLargeError(message)
    inputs = {name: type_ for name, type_ in infos[11] if name not in names}
    defaults = {name: type_ for name, type_ in infos[11] if name in names}
    return OnnxHeader(inputs, dict(infos[12]), opset, metadata, defaults)


def _opset(file: CountedFile, field: Field) -> int:
    domain, version = "", 0
    for part in file.fields(field):
        if part.number == 1:
            domain = file.text(part)
        elif part.number == 2:  # noqa: PLR2004 - OperatorSetIdProto.version
            version = part.value
    return version if domain in {"", "ai.onnx"} else 0
