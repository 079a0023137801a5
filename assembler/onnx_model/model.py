"""An assembled model in memory: its graph, its weights and the facts about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.onnx_model.facts import Reset

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from assembler.core.arrays import Array
    from assembler.onnx_model.facts import Fact


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """An ONNX model whose large initializers are stubs.

    Attributes:
        proto: The model; stubs have the data location EXTERNAL.
        weights: The arrays of the stubs, by initializer name.
        facts: The facts that emitters and passes have recorded.
    """

    proto: onnx.ModelProto
    weights: Mapping[str, Array]
    facts: tuple[Fact, ...] = ()

    @property
    def resets(self) -> dict[str, int]:
        """The character that resets a language model to its beginning, by part, if a pass has added one."""
        return {fact.part: fact.character for fact in self.facts if isinstance(fact, Reset)}
