"""Writes a model to a file without a second copy in memory.

protobuf builds the whole file in memory; a stack of several hundred megabytes would then exist three times. Here the
small part of the model is serialised by protobuf, and each large initializer is streamed after it: a field of a message
may be anywhere in it (https://protobuf.dev/programming-guides/encoding/#order).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from assembler.core.arrays import buffer_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from assembler.core.arrays import Array
    from assembler.onnx_model.model import Model

#: A protobuf message cannot be larger (https://protobuf.dev/programming-guides/proto-limits/).
LARGEST_FILE = 2**31 - 1

# Field numbers of onnx.proto.
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9
# Weights of external data begin at multiples of this, so that they can be mapped into memory.
_ALIGNMENT = 4096


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a model in its file or files.

    Attributes:
        size: The bytes of the model file.
        data_name: The name of the file of external data beside it, or `None` if the weights are in the model file.
        data_size: The bytes of that file.
    """

    size: int
    data_name: str | None
    data_size: int


def lay_out(model: Model, *, external_above: int = LARGEST_FILE) -> Layout:
    """Decide where the weights go.

    Args:
        model: The model.
        external_above: If the model file would be larger than this many bytes, its weights go to a file beside it.
    """
    size = sum(len(chunk) for chunk in _chunks(model))
    if size <= min(external_above, LARGEST_FILE):
        return Layout(size, None, 0)
    data_name = f"{model.proto.graph.name}-{_digest(model)[:16]}.weights"
    external = len(_beginning(model)) + len(external_graph(model, data_name))
    *_, end = _offsets(model)
    return Layout(external, data_name, end)


def write_model(model: Model, layout: Layout, stream: BinaryIO) -> None:
    """Write the model file."""
    if layout.data_name is None:
        stream.writelines(_chunks(model))
    else:
        stream.write(_beginning(model) + external_graph(model, layout.data_name))


def write_data(model: Model, stream: BinaryIO) -> None:
    """Write the file of external data."""
    for array, offset in zip(_arrays(model), _offsets(model), strict=False):
        stream.write(b"\0" * (offset - stream.tell()))
        stream.write(_bytes(array))


def _arrays(model: Model) -> list[Array]:
    return [model.weights[tensor.name] for tensor in model.proto.graph.initializer if tensor.name in model.weights]


def _offsets(model: Model) -> list[int]:
    """Return where each array begins in the file of external data, and where the last one ends."""
    offsets, end = [], 0
    for array in _arrays(model):
        begin = -(-end // _ALIGNMENT) * _ALIGNMENT
        offsets.append(begin)
        end = begin + array.nbytes
    return [*offsets, end]


def _bytes(array: Array) -> memoryview:
    return buffer_of(array.astype(array.dtype.newbyteorder("<"), copy=False))


def _digest(model: Model) -> str:
    digest = hashlib.sha256()
    for array in _arrays(model):
        digest.update(f"{array.nbytes}\n".encode())  # which fixes the offsets
        digest.update(_bytes(array))
    return digest.hexdigest()


def _chunks(model: Model) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a model file that holds its weights."""
    graph = _without_stubs(model)
    small = graph.SerializeToString(deterministic=True)
    heads = []
    for tensor in model.proto.graph.initializer:
        if tensor.name in model.weights:
            array = model.weights[tensor.name]
            plain = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
            body = plain.SerializeToString(deterministic=True) + _key(_TENSOR_RAW_DATA) + _varint(array.nbytes)
            heads.append((_key(_GRAPH_INITIALIZER) + _varint(len(body) + array.nbytes) + body, array))
    yield _beginning(model)
    yield _key(_MODEL_GRAPH) + _varint(len(small) + sum(len(head) + array.nbytes for head, array in heads))
    yield small
    for head, array in heads:
        yield head
        yield _bytes(array)


def external_graph(model: Model, data_name: str) -> bytes:
    """Return the graph of a model file whose weights are in another file: all of it except the beginning."""
    graph = _without_stubs(model)
    offsets = iter(_offsets(model))
    for tensor in model.proto.graph.initializer:
        if tensor.name in model.weights:
            stub = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
            stub.data_location = onnx.TensorProto.EXTERNAL
            length = model.weights[tensor.name].nbytes
            for key, value in (("location", data_name), ("offset", str(next(offsets))), ("length", str(length))):
                stub.external_data.add(key=key, value=value)
            graph.initializer.append(stub)
    body = graph.SerializeToString(deterministic=True)
    return _key(_MODEL_GRAPH) + _varint(len(body)) + bytes(body)


def _without_stubs(model: Model) -> onnx.GraphProto:
    graph = onnx.GraphProto()
    graph.CopyFrom(model.proto.graph)
    del graph.initializer[:]
    graph.initializer.extend(t for t in model.proto.graph.initializer if t.name not in model.weights)
    return graph


def frame_of(model: Model) -> onnx.ModelProto:
    """Return all of a model but its graph; a file begins with it."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    proto.ClearField("graph")
    return proto


def _beginning(model: Model) -> bytes:
    return bytes(frame_of(model).SerializeToString(deterministic=True))


def _key(field: int) -> bytes:
    """Return the key of a length-delimited field."""
    return _varint(field << 3 | 2)


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)
