"""Reads the operators of an ONNX file without its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError

from assembler.core.regular_files import open_regular
from assembler.onnx_file.allowance import Allowance, CountedFile
from assembler.onnx_file.header import problems_of

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.onnx_file.wire import Field

# onnx.proto's numbers of fields
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER, _TENSOR_NAME = 7, 1, 5, 8


def read_skeleton(path: Path) -> onnx.GraphProto:
    """Return the operators of a model, and the names of its initializers.

    Raises:
        SourceError: The file cannot be read (R001), is no ONNX model (R006) or has too many operators (R012).
    """
    graph = onnx.GraphProto()
    with problems_of(str(path)), open_regular(path) as stream:
        file = CountedFile(stream, Allowance())
        for found in file.fields(file.whole):
            if found.number == _MODEL_GRAPH:
                _read(file, found, graph)
    return graph


def _read(file: CountedFile, field: Field, graph: onnx.GraphProto) -> None:
    for part in file.fields(field):
        if part.number == _GRAPH_NODE:
            try:
                graph.node.append(onnx.NodeProto.FromString(file.content(part)))
            except DecodeError as err:
                message = "an operator is damaged"
                raise ValueError(message) from err
        elif part.number == _GRAPH_INITIALIZER:
            for entry in file.fields(part):
                if entry.number == _TENSOR_NAME:
                    graph.initializer.add(name=file.text(entry))
