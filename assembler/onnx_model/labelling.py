"""Puts the metadata into a model. graphsurgeon drops it, so this comes after the joining."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.onnx_model.model import Model


def label(model: Model, metadata: Mapping[str, str]) -> Model:
    """Return the model with the metadata, in the order of the keys."""
    return replace(model, proto=labelled(model.proto, metadata))


def labelled(model: onnx.ModelProto, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Return a copy with the metadata instead of its own, in the order of the keys."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model)
    del proto.metadata_props[:]
    for key, value in sorted(metadata.items()):
        proto.metadata_props.add(key=key, value=value)
    return proto
