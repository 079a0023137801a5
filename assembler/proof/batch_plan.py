"""Plans the batches of a proof: each sentence runs at least once, some in batches of mixed lengths, some alone.

A run takes as many steps as its longest text has characters, and memory as if all its texts had that length. So texts
of like length run together. But a model that reads beyond the end of a text is wrong only if a longer one is in the
same batch. The mixed batches show that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.proof.builtin_sample import evenly
from assembler.proof.parity import BATCH_SIZES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: The most characters of a batch of several sentences, padding included. The gates of a language model
#: of 2,048 states take 32 KB for each of them.
CELLS = 2560
#: The most of the longest sentences in the first mixed batch.
_LONGEST = 3
#: The characters of the longer sentences in further mixed batches, and of those that run alone, if there are any.
_MODEST = 64
#: How many of the last sentences run alone: hard ones, words of vocabularies, and some text.
_ALONE, _LAST = 8, 24


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The batches of a proof, each the places of its sentences.

    Attributes:
        alike: Batches of sentences of like length. Together with the first mixed batch they have each sentence.
        mixed: Batches of an odd size, with short and long sentences.
        alone: Sentences that also run alone.
    """

    alike: tuple[tuple[int, ...], ...]
    mixed: tuple[tuple[int, ...], ...]
    alone: tuple[tuple[int, ...], ...]

    def kinds(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Return the batches of each kind that has any."""
        return tuple(kind for kind in (self.alone, self.mixed, self.alike) if kind)

    def sizes(self) -> tuple[int, ...]:
        """Return the largest batch of each kind."""
        return tuple(sorted({largest(kind) for kind in self.kinds()}))

    def __str__(self) -> str:
        """Return the number of batches of each kind, in words."""
        found = [f"{len(self.alike)} of like length (up to {largest(self.alike)})"] if self.alike else []
        found += [f"{len(self.mixed)} of mixed lengths (up to {largest(self.mixed)})"] if self.mixed else []
        if not self.mixed and largest(self.alike) == 1:
            return "each alone"
        alone = f", and {len(self.alone)} alone" if self.alone else ""
        return f"each at least once: in batches, {', '.join(found)}{alone}"


def largest(batches: Iterable[Sequence[int]]) -> int:
    """Return the number of sentences in the largest of some batches."""
    return max(map(len, batches), default=0)


def width(tokens: Sequence[str]) -> int:
    """Return the characters of a sentence, with a space after each token."""
    return sum(map(len, tokens)) + len(tokens)


def planned(widths: Sequence[int], places: Iterable[int], most: int | None = None) -> BatchPlan:
    """Return the batches in which the sentences at some places are compared.

    Args:
        widths: The characters of each sentence.
        places: The places of those that are compared.
        most: How many sentences run together at most; `None` for any number.
    """
    given = list(places)
    _, odd, many = (min(size, most or size) for size in BATCH_SIZES)
    order = sorted(given, key=widths.__getitem__)
    if odd == 1 or len(order) == 1:
        return BatchPlan(tuple((place,) for place in given), (), ())
    longest = _longest(order, widths, odd)
    room = max(len(longest) + 1, min(odd, CELLS // widths[longest[-1]]))
    first = (*order[: min(room, len(order)) - len(longest)], *longest)
    alike = like_length(order[: -len(longest)], widths, many)
    last = given[-_LAST:]
    short = [place for place in last if widths[place] <= _MODEST] or [min(last, key=widths.__getitem__)]
    alone = evenly(sorted(short, key=widths.__getitem__), _ALONE)
    return BatchPlan(tuple(alike), (first, *_spread(order, widths, odd)), tuple((place,) for place in alone))


def _longest(order: Sequence[int], widths: Sequence[int], odd: int) -> Sequence[int]:
    """Return the few longest sentences: those that take about as long as the longest, and leave room for short ones."""
    most = widths[order[-1]]
    count = max(1, min(_LONGEST, odd // 2, len(order) - 1, CELLS // most - 1))
    return [place for place in order[-count:] if 2 * widths[place] >= most]


def _spread(order: Sequence[int], widths: Sequence[int], odd: int) -> Iterator[tuple[int, ...]]:
    """Yield two batches, each with sentences from the shortest to one of modest length, or one where those are few."""
    modest = sum(widths[place] <= _MODEST for place in order)
    pool = order[: max(modest, 2 * odd)]
    if len(pool) < 2 * odd:
        yield tuple(evenly(pool, odd))
        return
    chosen = evenly(pool, 2 * odd)
    yield tuple(chosen[::2])
    yield tuple(chosen[1::2])


def like_length(
    places: Iterable[int], widths: Sequence[int], size: int, cells: int = CELLS
) -> Iterator[tuple[int, ...]]:
    """Yield batches of at most `size` sentences and `cells` characters, the shortest sentences first."""
    batch: list[int] = []
    for place in sorted(places, key=widths.__getitem__):
        if batch and (len(batch) == size or (len(batch) + 1) * widths[place] > cells):
            yield tuple(batch)
            batch = []
        batch.append(place)
    if batch:
        yield tuple(batch)
