"""The weights that several sources have for one part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.core.arrays import Arrays
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True, eq=False)
class SeveralWeights:
    """The weights that several sources have for one part.

    Attributes:
        parts: The weights by the parameter that names them.
    """

    parts: Mapping[str, Weights]

    @property
    def inputs(self) -> list[str]:
        """The input ports of all of them."""
        return [name for each in self.parts.values() for name in getattr(each, "inputs", ())]

    @property
    def outputs(self) -> list[str]:
        """The output ports of all of them."""
        return [name for each in self.parts.values() for name in getattr(each, "outputs", ())]

    @property
    def opset(self) -> int:
        """The newest opset that one of them has, or 0 where none says."""
        return max(self._opsets(), default=0)

    def facts(self) -> Mapping[str, int]:
        """Return nothing: each has sizes of its own."""
        return {}

    def run(self, inputs: Arrays) -> Arrays | None:  # noqa: ARG002 - the protocol's signature
        """Return `None`: the kind knows how they are run together."""
        return None

    def _opsets(self) -> Iterator[int]:
        for each in self.parts.values():
            opset = getattr(each, "opset", 0)
            if isinstance(opset, int):
                yield opset
