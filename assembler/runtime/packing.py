"""Puts several sentences one after another into one lane, if a language model has a reset character.

A batch is as long as its longest text, and every shorter one would be computed to that length. A lane holds several
texts with one reset character between two of them, so that all lanes end at nearly the same place. The indices say
where each token's state is, so only the language models' inputs change.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from assembler.runtime.interface import Interface
    from assembler.runtime.language_model_text import LanguageModel

    Integers = NDArray[np.int64]

#: The numbers of lanes that are tried. More rows do not make a product of matrices faster.
_COUNTS = (2, 4, 6, 8, *range(12, 73, 6))
#: The fixed cost of one step, in rows: the weights are read, and a dozen operators are called. A line through the
#: seconds of a step in docs/performance.md (`tools/measure_steps.py`) has 5 to 15.
_STEP = 8


@dataclass(frozen=True, slots=True)
class Lanes:
    """The place of each text.

    Attributes:
        count: The number of lanes.
        lane: The lane of each text, int64 `[S]`.
        begin: Its first position there, int64 `[S]`; above 0 the reset character is before it.
        lengths: Its characters up to the last one that is read, markers counted, int64 `[S]`.
    """

    count: int
    lane: Integers
    begin: Integers
    lengths: Integers

    @property
    def length(self) -> int:
        """The positions of the longest lane."""
        return int((self.begin + self.lengths).max())


def can_pack(interface: Interface) -> bool:
    """Whether all language models of a model have a reset character, and are read only by indices."""
    models = {model.name: model for model in interface.language_models}
    read = {entry.subject for entry in interface.inputs if entry.rule == "indices"}
    return bool(models) and read == set(models) and all(model.reset is not None for model in models.values())


def arrange(lengths: Sequence[int] | Integers) -> Lanes:
    """Return the lanes that take the least time, among a few numbers of lanes.

    Args:
        lengths: The characters of each text; at least one text.
    """
    counted = np.asarray(lengths, dtype=np.int64)
    counts = {min(count, len(counted)) for count in _COUNTS}
    return min((_in_lanes(counted, count) for count in sorted(counts)), key=_cost)


def _cost(lanes: Lanes) -> int:
    return (lanes.count + _STEP) * lanes.length


def _in_lanes(counted: Integers, count: int) -> Lanes:
    """Add each text, the longest first, to the lane that is shortest so far."""
    lane, begin = np.zeros_like(counted), np.zeros_like(counted)
    ends = [(0, number) for number in range(count)]
    for text in np.argsort(-counted, kind="stable").tolist():
        end, number = ends[0]
        lane[text], begin[text] = number, end
        heapq.heapreplace(ends, (end + int(counted[text]) + 1, number))
    return Lanes(count, lane, begin, counted)


def characters(model: LanguageModel, lanes: Lanes, ids: Integers) -> Integers:
    """Return the ids of `[texts, characters]` as `[positions, lanes]`."""
    rows = np.full((lanes.count, lanes.length), model.padding, dtype=np.int64)
    if model.reset is not None:
        later = lanes.begin > 0
        rows[lanes.lane[later], lanes.begin[later] - 1] = model.reset
    text = np.repeat(np.arange(len(lanes.lengths)), lanes.lengths)
    first = np.cumsum(lanes.lengths) - lanes.lengths
    position = np.arange(len(text)) - first[text]
    rows[lanes.lane[text], lanes.begin[text] + position] = ids[text, position]
    return np.ascontiguousarray(rows.T)


def indices(lanes: Lanes, position: Integers, text: Integers) -> Integers:
    """Return a position in a text as `position in the lane * lanes + lane`."""
    moved: Integers = (lanes.begin[text] + position) * lanes.count + lanes.lane[text]
    return moved
