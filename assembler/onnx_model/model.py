"""An assembled model in memory: its graph, and its weights and what is known of it beside it."""

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
        facts: What emitters and passes have said of what they made.
    """

    proto: onnx.ModelProto
    weights: Mapping[str, Array]
    facts: tuple[Fact, ...] = ()

    @property
    def resets(self) -> dict[str, int]:
        """The character that sets a language model back to its beginning, by part, where a pass has given it one."""
        return {fact.part: fact.character for fact in self.facts if isinstance(fact, Reset)}
