"""Cases for decoders: sequences of classes in which each follows each, and emissions that no text causes.

Everything is drawn from one seed, so that the same model is tried on the same cases on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from assembler.core.arrays import Array

    Floats = NDArray[np.float64]

_SEED = 20211
#: The tokens of the longest sequences.
LONGEST = 40
#: The most classes of which each follows each.
_MOST_CLASSES = 48
#: The numbers that are added for a CRF: tokens times labels times labels.
_WORK = 1 << 26
#: The same for one batch: flair holds them all.
_AT_ONCE = 1 << 21
#: Lengths of the sequences of one batch. They are not in order, and each comes after longer and shorter ones.
LENGTHS = (3, 1, LONGEST, 2, 17, 1, 5, 2, 29)
#: The values after a sequence's end, which nothing may read.
_BEHIND = 7.0


@dataclass(frozen=True, slots=True, eq=False)
class Emissions:
    """A batch of emissions.

    Attributes:
        values: float32 [sentences, tokens, labels].
        lengths: int64 [sentences].
    """

    values: Array
    lengths: Array

    @classmethod
    def padded(cls, rows: Sequence[Array]) -> Emissions:
        """Return a batch of some sequences, float32 [tokens, labels] each."""
        lengths = np.array([len(row) for row in rows], np.int64)
        values = np.full((len(rows), int(lengths.max()), rows[0].shape[1]), _BEHIND, np.float32)
        for place, row in enumerate(rows):
            values[place, : len(row)] = row
        return cls(values, lengths)


def following(count: int) -> list[int]:
    """Return a sequence of classes in which each follows each, itself included.

    Of many classes it has some alone, evenly spread, and the others once.
    """
    every = range(count)
    some = every if count <= _MOST_CLASSES else sorted({*np.linspace(0, count - 1, _MOST_CLASSES, dtype=int).tolist()})
    path: list[int] = [number for number in every if number not in some]
    for place, first in enumerate(some):
        path.append(first)
        for other in some[place + 1 :]:
            path += [first, other]
    return [*path, some[0]]


def class_sequences(count: int) -> list[list[int]]:
    """Return sequences of classes of 0 to `LONGEST` tokens: each class after each, equal ones, random ones."""
    draw = np.random.default_rng(_SEED)
    path = following(count)
    cut = [path[start : start + LONGEST] for start in range(0, len(path), LONGEST - 1)]
    equal = [[number] * 3 for number in range(min(count, _MOST_CLASSES))]
    drawn = [draw.integers(0, count, length).tolist() for length in (*LENGTHS, 0, *LENGTHS)]
    return [[], *cut, [], *equal, *drawn]


def decision_cases(count: int) -> Iterator[Emissions]:
    """Yield emissions for softmax and its maximum: usual ones, equal ones, large ones, minus infinity.

    They are equal or differ by a 16th at least: of nearly equal ones rounding decides, in flair too.
    """
    draw = np.random.default_rng(_SEED)
    for kind in (_normal, _equal, _large, _forbidden):
        rows = [np.round(16 * kind(draw, length, count)) / 16 for length in LENGTHS]
        yield Emissions.padded([row.astype(np.float32) for row in rows])


def path_cases(transitions: Array, start: int, stop: int) -> Iterator[Emissions]:
    """Yield emissions for a CRF, the most telling first, as many as take a moment.

    Args:
        transitions: float32 [to, from].
        start: The class before the first.
        stop: The class after the last.
    """
    count = len(transitions)
    cost = count * count
    left, batch = max(LONGEST, _WORK // cost), max(1, _AT_ONCE // cost)
    rows: list[Array] = []
    for row in _paths(transitions.astype(np.float64), start, stop):
        if len(row) > left:
            break
        left -= len(row)
        if rows and (len(rows) + 1) * max(len(row), *map(len, rows)) > batch:
            yield Emissions.padded(rows)
            rows = []
        rows.append(row.astype(np.float32))
    if rows:
        yield Emissions.padded(rows)


def _paths(transitions: Floats, start: int, stop: int) -> Iterator[Floats]:
    count = len(transitions)
    draw = np.random.default_rng(_SEED)
    for kind in (_normal, _equal, _large, _forbidden):
        for length in LENGTHS:
            yield kind(draw, length, count)
    peak = 4 * float(np.abs(transitions).max(initial=0)) + 10
    path = following(count)
    for begin in range(0, len(path), LONGEST - 1):
        yield _peaked(path[begin : begin + LONGEST], count, peak)
    for number in draw.permutation(count)[:_MOST_CLASSES].tolist():
        # sums that take a transition out again, but for a little noise: the score, or the tag before, hangs on each
        noise = draw.normal(0, 1, (4, count))
        yield np.stack([_peaked([number], count, peak)[0], noise[0] - transitions[:, number]])
        yield np.stack([noise[1] - transitions[number] - transitions[:, start], _peaked([number], count, peak)[0]])
        yield (noise[2] - transitions[:, start])[np.newaxis]
        yield (noise[3] - transitions[:, start] - transitions[stop])[np.newaxis]


def _peaked(path: Sequence[int], count: int, peak: float) -> Floats:
    """Return emissions that lead a CRF along a path whatever its transitions are."""
    rows = np.zeros((len(path), count))
    rows[np.arange(len(path)), path] = peak
    return rows


def _normal(draw: np.random.Generator, length: int, count: int) -> Floats:
    return draw.normal(0, 3, (length, count))


def _equal(draw: np.random.Generator, length: int, count: int) -> Floats:
    """Return whole numbers, of which several are the largest."""
    return draw.integers(-1, 2, (length, count)).astype(np.float64)


def _large(draw: np.random.Generator, length: int, count: int) -> Floats:
    """Return numbers up to 1e30, and of either sign."""
    return draw.normal(0, 1, (length, count)) * 10.0 ** draw.integers(0, 31, (length, 1))


def _forbidden(draw: np.random.Generator, length: int, count: int) -> Floats:
    """Return numbers of which some are minus infinity, never all of a token's."""
    values = draw.normal(0, 3, (length, count))
    mask = draw.random((length, count)) < 0.4  # noqa: PLR2004 - any share would do
    mask[np.arange(length), draw.integers(0, count, length)] = False
    return np.where(mask, -np.inf, values)
