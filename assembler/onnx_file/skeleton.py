"""Reads the operators of an ONNX file without its weights."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError

from assembler.core.regular_files import open_regular
from assembler.onnx_file.fields import Allowance, Field, Wire, fields, text
from assembler.onnx_file.header import problems_of

if TYPE_CHECKING:
    from pathlib import Path

# onnx.proto's numbers of fields
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER, _TENSOR_NAME = 7, 1, 5, 8


def read_skeleton(path: Path) -> onnx.GraphProto:
    """Return the operators of a model, and the names of its initializers.

    Raises:
        SourceError: The file cannot be read (R001), is no ONNX model (R006) or has too many operators (R012).
    """
    graph = onnx.GraphProto()
    with problems_of(str(path)), open_regular(path) as stream:
        wire = Wire(stream, Allowance())
        for found in fields(wire, 0, stream.seek(0, os.SEEK_END)):
            if found.number == _MODEL_GRAPH:
                _read(wire, found, graph)
    return graph


def _read(wire: Wire, field: Field, graph: onnx.GraphProto) -> None:
    for part in fields(wire, field.start, field.length):
        if part.number == _GRAPH_NODE:
            wire.allowance.spend_text(part.length)
            wire.stream.seek(part.start)
            try:
                graph.node.append(onnx.NodeProto.FromString(wire.stream.read(part.length)))
            except DecodeError as err:
                message = "an operator is damaged"
                raise ValueError(message) from err
        elif part.number == _GRAPH_INITIALIZER:
            for entry in fields(wire, part.start, part.length):
                if entry.number == _TENSOR_NAME:
                    graph.initializer.add(name=text(wire, entry))
