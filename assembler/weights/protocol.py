"""The weights that a source has for one part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Arrays, RuntimeValues


class Weights(Protocol):
    """The weights that a source has for one part.

    Two more attributes are optional: `sort`, the sort of the weights, such as `char_lm`, by which kinds say what they
    take; and `decisions`, the labels on which the part decides (`weights.decisions`).
    """

    def facts(self) -> Mapping[str, int]:
        """Return the sizes that the weights fix, such as `hidden_size`, by the names that the kind's ports use."""

    def run(self, inputs: Arrays) -> RuntimeValues | None:
        """Run the part as its source does, for parity; `None` if it can only be run as a part of the whole."""


def sort_of(weights: Weights) -> str | None:
    """Return the sort of weights, or `None` if they do not name it."""
    sort = getattr(weights, "sort", None)
    return sort if isinstance(sort, str) else None
