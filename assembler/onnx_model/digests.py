"""The digests of a model: its graph, its weights, and its metadata.

`assembler/onnx_file/contents.py` makes the same digests from a file, without the package onnx.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import onnx
from onnx import numpy_helper

from assembler.core.arrays import buffer_of
from assembler.onnx_file.contents import CONTENT, LARGE, STRUCTURE, read_contents
from assembler.onnx_file.wire import WireError
from assembler.onnx_model.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def with_digests(model: Model, metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a model with its digests: of the structure, and of everything."""
    result = dict(metadata)
    result[STRUCTURE] = json.dumps(_digest(model, metadata, whole=False))
    result[CONTENT] = json.dumps(_digest(model, result, whole=True))
    return result


def digests_in_file(path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata that replace a written model's own, with its new digests.

    The weights are read from the file, a piece at a time.

    Raises:
        OSError: It cannot be read.
    """
    contents = replace(read_contents(path), properties=dict(metadata))
    try:
        contents.properties[STRUCTURE] = json.dumps(contents.digest(whole=False))
        contents.properties[CONTENT] = json.dumps(contents.digest(whole=True))
    except WireError:  # weights of less than a byte each can be recognised in memory
        return with_digests(Model(onnx.load(path), {}), metadata)
    return contents.properties


def content_digest(model: Model, metadata: Mapping[str, str]) -> str:
    """Return a SHA-256 that is the same before a model is written and after it is read, wherever its weights are.

    Args:
        model: The model.
        metadata: Its metadata; our own entries are included, except the digest itself.
    """
    return _digest(model, metadata, whole=True)


def _digest(model: Model, metadata: Mapping[str, str], *, whole: bool) -> str:
    """Return the digest of everything, or of everything except the payload of large weights."""
    digest = hashlib.sha256()
    for key, value in sorted(metadata.items()):
        if key.startswith("assembler.") and key != CONTENT and (whole or key != STRUCTURE):
            digest.update(f"{key}={len(value)}\n{value}\n".encode())
    for function in model.proto.functions:
        digest.update(function.SerializeToString(deterministic=True))
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
        if array.dtype.kind != "O" and not whole and array.nbytes >= LARGE:
            continue
        if array.dtype.kind == "O":
            digest.update(repr(array.tolist()).encode("utf-8", "backslashreplace"))
        else:
            digest.update(buffer_of(array))
    return digest.hexdigest()
