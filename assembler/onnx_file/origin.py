"""What an ONNX file says of its exporter, its opsets and the number of its weights, which are not read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.regular_files import open_regular
from assembler.onnx_file.allowance import Allowance, CountedFile
from assembler.onnx_file.header import problems_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.onnx_file.wire import Field

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
    """Return what a file says of its origin.

    Raises:
        SourceError: The file cannot be read (R001), is not an ONNX model (R006), or holds too much (R012).
    """
    version, functions, words, opsets, sizes = 0, 0, ["", ""], {}, []
    with problems_of(str(path)), open_regular(path) as stream:
        file = CountedFile(stream, Allowance())
        for found in file.fields(file.whole):
            if found.number == _IR_VERSION:
                version = found.value
            elif found.number in {_PRODUCER, _PRODUCER_VERSION}:
                words[found.number - _PRODUCER] = file.text(found)
            elif found.number == _OPSETS:
                domain, number = _opset(file, found)
                opsets[domain or "ai.onnx"] = number
            elif found.number == _FUNCTIONS:
                functions += 1
            elif found.number == _GRAPH:
                sizes += list(_sizes(file, found))
    return Origin(version, " ".join(filter(None, words)), opsets, sum(sizes), len(sizes), functions)


def _opset(file: CountedFile, field: Field) -> tuple[str, int]:
    domain, version = "", 0
    for part in file.fields(field):
        domain = file.text(part) if part.number == 1 else domain
        version = part.value if part.number == 2 else version  # noqa: PLR2004 - OperatorSetIdProto.version
    return domain, version


def _sizes(file: CountedFile, graph: Field) -> Iterator[int]:
    for part in file.fields(graph):
        if part.number == _GRAPH_INITIALIZER:
            dims: list[int] = []
            for entry in file.fields(part):
                if entry.number == _TENSOR_DIMS:
                    dims += file.numbers(entry)
            yield math.prod(dims)
