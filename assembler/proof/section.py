"""Reads the operators between some tensors of an ONNX file, with the weights that these read and no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import onnx
from onnx.external_data_helper import load_external_data_for_tensor

from assembler.core.regular_files import open_regular
from assembler.onnx_file.wire import content, fields, whole
from assembler.onnx_model.nesting import read_by

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from assembler.onnx_file.wire import Field

# onnx.proto's numbers of fields
_GRAPH, _OPSETS, _NODE, _INITIALIZER, _NAME = 7, 8, 1, 5, 8


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """The part of a file between some tensors.

    Attributes:
        nodes: The operators, in the order of the file.
        initializers: The weights that they read, whole.
        opsets: The version of each operator domain.
        inputs: The tensors at which it was cut and that it reads.
        outputs: The requested tensors that the file has.
        foreign: Its other inputs: tensors of no operator, such as other inputs of the model.
    """

    nodes: tuple[onnx.NodeProto, ...]
    initializers: tuple[onnx.TensorProto, ...]
    opsets: tuple[onnx.OperatorSetIdProto, ...]
    inputs: frozenset[str]
    outputs: frozenset[str]
    foreign: frozenset[str]


def read_section(path: Path, inputs: Collection[str], outputs: Collection[str]) -> Section:
    """Return what a model computes between some tensors.

    Args:
        path: The model, which is one of our own. Weights beside it are read from there.
        inputs: The tensors at which it is cut.
        outputs: The tensors that are wanted. Those that the file does not have are left out.

    Raises:
        OSError: The file cannot be read.
        WireError: It is not a model.
    """
    with open_regular(path) as stream:
        nodes, places, opsets = _walked(stream)
        maker = {name: number for number, node in enumerate(nodes) for name in node.output if name}
        there = frozenset(outputs) & maker.keys()
        numbers, read = _needed(nodes, maker, frozenset(inputs), there)
        weights = [onnx.TensorProto.FromString(content(stream, places[name])) for name in sorted(read & places.keys())]
    for tensor in weights:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            load_external_data_for_tensor(tensor, str(path.parent))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    foreign = read - places.keys() - frozenset(inputs)
    chosen = tuple(nodes[number] for number in sorted(numbers))
    return Section(chosen, tuple(weights), tuple(opsets), read & frozenset(inputs), there, foreign)


def _walked(stream: BinaryIO) -> tuple[list[onnx.NodeProto], dict[str, Field], list[onnx.OperatorSetIdProto]]:
    """Return the operators, the place of each initializer by name, and the operator sets."""
    nodes: list[onnx.NodeProto] = []
    places: dict[str, Field] = {}
    opsets: list[onnx.OperatorSetIdProto] = []
    for found in fields(stream, whole(stream)):
        if found.number == _OPSETS:
            opsets.append(onnx.OperatorSetIdProto.FromString(content(stream, found)))
        for part in fields(stream, found) if found.number == _GRAPH else ():
            if part.number == _NODE:
                nodes.append(onnx.NodeProto.FromString(content(stream, part)))
            elif part.number == _INITIALIZER:
                places.update((name, part) for name in _names(stream, part))
    return nodes, places, opsets


def _names(stream: BinaryIO, tensor: Field) -> Iterator[str]:
    for entry in fields(stream, tensor):
        if entry.number == _NAME:
            yield content(stream, entry).decode()


def _needed(
    nodes: list[onnx.NodeProto], maker: dict[str, int], inputs: frozenset[str], outputs: frozenset[str]
) -> tuple[set[int], frozenset[str]]:
    """Return the operators between the tensors, and every tensor that they read but do not compute."""
    numbers: set[int] = set()
    ends: set[str] = set()
    wanted = [*outputs]
    while wanted:
        name = wanted.pop()
        number = maker.get(name)
        if number is None or (name in inputs and name not in outputs):
            ends.add(name)
        elif number not in numbers:
            numbers.add(number)
            wanted += sorted(read_by(nodes[number]))
    return numbers, frozenset(ends)
