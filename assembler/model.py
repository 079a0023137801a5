"""An assembled model in memory: its graph, and its weights beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from assembler.sources.weights import Array


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """An ONNX model whose large initializers are stubs.

    Attributes:
        proto: The model; stubs have the data location EXTERNAL.
        weights: The arrays of the stubs, by initializer name.
    """

    proto: onnx.ModelProto
    weights: Mapping[str, Array]
