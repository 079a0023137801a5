"""Finds places for the slots of each rank: near the slots to which they are joined, in order, and apart."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.drawing.layering import Layers

#: How often the places are swept back and forth: for short lines, for labels beside their boxes, for straight lines.
#: The last two only push, so more of them would drive the boxes apart.
_SHORT, _BESIDE, _STRAIGHT = 16, 2, 10

#: For each slot those to which it is joined.
Joined: TypeAlias = "Mapping[int, Sequence[int]]"


def positions(layers: Layers, extents: Sequence[float], gap: float) -> list[float]:
    """Return the centre of each slot along its rank; the least edge is at 0.

    Args:
        layers: The slots, in ranks and in order.
        extents: The size of each slot along its rank.
        gap: The least space between two slots.
    """
    before, after = layers.before(), layers.after()
    centres = [0.0] * len(extents)
    apart = [[(extents[one] + extents[other]) / 2 + gap for one, other in pairwise(rank)] for rank in layers.ranks]
    anchors = _anchors(layers, before, after)
    upright = _straight(layers, before, after)
    for sweeps, (back, forth) in ((_SHORT, (after, before)), (_BESIDE, (anchors, anchors)), (_STRAIGHT, upright)):
        for _ in range(sweeps):
            _sweep(layers.ranks[::-1], apart[::-1], back, centres)
            _sweep(layers.ranks, apart, forth, centres)
    least = min(centre - extent / 2 for centre, extent in zip(centres, extents, strict=True))
    return [centre - least for centre in centres]


def _anchors(layers: Layers, before: Joined, after: Joined) -> Joined:
    """Return the slots near which each slot should be.

    A box is near all its labels. A label is near the one of its two boxes that has fewer lines, because the other
    cannot be near all of its own. But it is not near a box without another line, because that box moves to the label.
    """
    anchors = {slot: [*before[slot], *after[slot]] for slot in before}
    lines = {slot: len(joined) for slot, joined in anchors.items()}
    for slot in layers.labels:
        firm = [other for other in anchors[slot] if lines[other] > 1]
        anchors[slot] = [min(firm or anchors[slot], key=lambda other: lines[other])]
    return anchors


def _straight(layers: Layers, before: Joined, after: Joined) -> tuple[Joined, Joined]:
    """Return the slots to line up with on the way back, and on the way forth.

    Forth, all line up with the slots before them, except labels of a box with several arrows, which are already in
    place. Back, only boxes that nothing feeds move.
    """
    back = {slot: after[slot] for slot in before if not before[slot]}
    fanned = {slot for slot in layers.labels if len(after[before[slot][0]]) > 1}
    return back, {slot: joined for slot, joined in before.items() if slot not in fanned}


def _sweep(
    ranks: Sequence[Sequence[int]], apart: Sequence[Sequence[float]], neighbours: Joined, centres: list[float]
) -> None:
    """Move the slots of each rank towards the middle of their neighbours; those without any stay."""
    for rank, separations in zip(ranks, apart, strict=True):
        wanted = [
            sum(centres[other] for other in neighbours[slot]) / len(neighbours[slot])
            if neighbours.get(slot)
            else centres[slot]
            for slot in rank
        ]
        for slot, centre in zip(rank, settled(wanted, separations), strict=True):
            centres[slot] = centre


def settled(wanted: Sequence[float], separations: Sequence[float]) -> list[float]:
    """Return the places nearest to the wanted ones, by least squares, that keep the order and the separations.

    After subtraction of the separations, this is isotonic regression, which pooling adjacent violators solves exactly
    (R. E. Barlow and others: Statistical Inference under Order Restrictions, 1972, section 1.2).

    Args:
        wanted: The wanted places, in the order to keep.
        separations: The least distance of each from the next; one fewer than there are places.
    """
    offsets = list(accumulate(separations, initial=0.0))
    blocks: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=True):
        mean, count = place - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean = (mean * count + other * others) / (count + others)
            count += others
        blocks.append((mean, count))
    pooled = [mean for mean, count in blocks for _ in range(count)]
    return [place + offset for place, offset in zip(pooled, offsets, strict=True)]
