"""What a source gives for one part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Arrays


class Weights(Protocol):
    """What a source gives for one part.

    Two attributes may be beside these: `sort`, the name of what the weights are, such as `char_lm`, by which kinds say
    what they take; and `decisions`, of a part that decides the labels that it decides on (`weights.decisions`).
    """

    def facts(self) -> Mapping[str, int]:
        """Return the sizes that the weights fix, such as `hidden_size`, by the names that the kind's ports use."""

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the part as its source does, for parity; `None` if it can only be run as a part of the whole."""


def sort_of(weights: Weights) -> str | None:
    """Return the name of what weights are, or `None` where they do not say."""
    sort = getattr(weights, "sort", None)
    return sort if isinstance(sort, str) else None
