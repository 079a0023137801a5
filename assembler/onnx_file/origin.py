"""What an ONNX file says of its exporter, its opsets and the number of its weights, which are not read."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.regular_files import open_regular
from assembler.onnx_file.fields import Allowance, Field, Wire, fields, packed_numbers, text
from assembler.onnx_file.header import problems_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# onnx.proto's numbers of fields
_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _GRAPH, _OPSETS, _FUNCTIONS = 1, 2, 3, 7, 8, 25
_GRAPH_INITIALIZER, _TENSOR_DIMS = 5, 1


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file comes from.

    Attributes:
        ir_version: The version of the format.
        producer: The exporter and its version, or an empty text.
        opsets: The version of each operator domain.
        weights: How many values its initializers have.
        initializers: How many initializers there are.
        functions: How many local functions.
    """

    ir_version: int
    producer: str
    opsets: Mapping[str, int]
    weights: int
    initializers: int
    functions: int


def read_origin(path: Path) -> Origin:
    """Return what a file says.

    Raises:
        SourceError: The file cannot be read (R001), is no ONNX model (R006) or has too much in it (R012).
    """
    version, functions, words, opsets, sizes = 0, 0, ["", ""], {}, []
    with problems_of(str(path)), open_regular(path) as stream:
        wire = Wire(stream, Allowance())
        for found in fields(wire, 0, stream.seek(0, os.SEEK_END)):
            if found.number == _IR_VERSION:
                version = found.value
            elif found.number in {_PRODUCER, _PRODUCER_VERSION}:
                words[found.number - _PRODUCER] = text(wire, found)
            elif found.number == _OPSETS:
                domain, number = _opset(wire, found)
                opsets[domain or "ai.onnx"] = number
            elif found.number == _FUNCTIONS:
                functions += 1
            elif found.number == _GRAPH:
                sizes += list(_sizes(wire, found))
    return Origin(version, " ".join(filter(None, words)), opsets, sum(sizes), len(sizes), functions)


def _opset(wire: Wire, field: Field) -> tuple[str, int]:
    domain, version = "", 0
    for part in fields(wire, field.start, field.length):
        domain = text(wire, part) if part.number == 1 else domain
        version = part.value if part.number == 2 else version  # noqa: PLR2004 - OperatorSetIdProto.version
    return domain, version


def _sizes(wire: Wire, graph: Field) -> Iterator[int]:
    for part in fields(wire, graph.start, graph.length):
        if part.number == _GRAPH_INITIALIZER:
            dims: list[int] = []
            for entry in fields(wire, part.start, part.length):
                if entry.number == _TENSOR_DIMS:
                    dims += packed_numbers(wire, entry) if entry.length else [entry.value]
            yield math.prod(dims)
