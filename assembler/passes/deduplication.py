"""Pass: identical initializers are stored once.

Requires: a model whose tensors have unique names. Ensures: no two initializers have equal type, shape and bytes; every
node reads the same values as before.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import onnx

from assembler.core.arrays import buffer_of
from assembler.onnx_model.renaming import rename_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Array
    from assembler.onnx_model.model import Model


def deduplicate(model: Model) -> Model:
    """Return the model with each initializer stored once, under the name that comes first."""
    kept: dict[str, str] = {}
    replaced: dict[str, str] = {}
    for tensor in model.proto.graph.initializer:
        key = _key(tensor, model.weights)
        if key in kept:
            replaced[tensor.name] = kept[key]
        else:
            kept[key] = tensor.name
    if not replaced:
        return model
    graph = onnx.GraphProto()
    graph.CopyFrom(model.proto.graph)
    del graph.initializer[:]
    graph.initializer.extend(t for t in model.proto.graph.initializer if t.name not in replaced)
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    proto.graph.CopyFrom(rename_tensors(graph, lambda name: replaced.get(name, name)))
    weights = {name: array for name, array in model.weights.items() if name not in replaced}
    return replace(model, proto=proto, weights=weights)


def _key(tensor: onnx.TensorProto, weights: Mapping[str, Array]) -> str:
    """Return a key that only equal tensors share: their type, their shape and the digest of their bytes."""
    array = weights.get(tensor.name)
    if array is not None:
        data = hashlib.sha256(buffer_of(array)).hexdigest()
    else:
        anonymous = onnx.TensorProto()
        anonymous.CopyFrom(tensor)
        anonymous.name = ""
        data = hashlib.sha256(anonymous.SerializeToString(deterministic=True)).hexdigest()
    return f"{tensor.data_type}:{list(tensor.dims)}:{data}"
