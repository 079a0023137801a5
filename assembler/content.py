"""The digest of what a model computes: its graph and its weights, not its metadata."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import onnx
from onnx import numpy_helper

from assembler.sources.weights import buffer_of

if TYPE_CHECKING:
    from assembler.model import Model


def content_digest(model: Model) -> str:
    """Return a SHA-256 that is the same before a model is written and after it is read, wherever its weights lie."""
    digest = hashlib.sha256()
    for entry in model.proto.opset_import:
        digest.update(f"{entry.domain}:{entry.version}\n".encode())
    graph = onnx.GraphProto()
    graph.CopyFrom(model.proto.graph)
    del graph.initializer[:]
    digest.update(graph.SerializeToString(deterministic=True))
    for tensor in sorted(model.proto.graph.initializer, key=lambda tensor: tensor.name):
        digest.update(f"\n{tensor.name}:{tensor.data_type}:{list(tensor.dims)}\n".encode())
        array = model.weights.get(tensor.name)
        if array is None:
            array = numpy_helper.to_array(tensor)
        if array.dtype.kind == "O":
            digest.update(repr(array.tolist()).encode("utf-8", "backslashreplace"))
        else:
            digest.update(buffer_of(array))
    return digest.hexdigest()
