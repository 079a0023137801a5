"""An assembled model in memory: its graph, and its weights beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from assembler.core.arrays import Array


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """An ONNX model whose large initializers are stubs.

    Attributes:
        proto: The model; stubs have the data location EXTERNAL.
        weights: The arrays of the stubs, by initializer name.
        resets: The character that sets a language model back to its beginning, by node, where a pass has given it one.
        loops: The same by the name of the loop that a language model has become.
    """

    proto: onnx.ModelProto
    weights: Mapping[str, Array]
    resets: Mapping[str, int] = field(default_factory=dict)
    loops: Mapping[str, int] = field(default_factory=dict)
