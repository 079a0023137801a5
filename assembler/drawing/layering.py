"""Orders a diagram in layers: the first steps of Sugiyama's method for drawing directed graphs.

K. Sugiyama, S. Tagawa, M. Toda: Methods for Visual Understanding of Hierarchical System Structures. IEEE Transactions
on Systems, Man, and Cybernetics 11(2), 1981.
"""

from __future__ import annotations

from bisect import bisect, insort
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.drawing.diagram import Diagram

#: How often the order is swept back and forth. It seldom changes after the fourth time.
_SWEEPS = 12

Ranks: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Layers:
    """A diagram in ranks, boxes in the even ones and labels in the odd ones.

    A slot is a place in a rank. The first slots are the boxes, by their indices; the others are labels of arrows, and
    the points where long arrows pass between the boxes of a rank.

    Attributes:
        ranks: The slots of each rank, in order.
        chains: For each arrow the slots that it passes, from the box that outputs it to the box that takes it.
        labels: For each arrow the slot of its label.
    """

    ranks: Ranks
    chains: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]

    def before(self) -> dict[int, list[int]]:
        """Return for each slot those in the rank before that it is joined to."""
        return self._joined([pair for chain in self.chains for pair in pairwise(chain)])

    def after(self) -> dict[int, list[int]]:
        """Return for each slot those in the next rank to which it is joined."""
        return self._joined([(head, tail) for chain in self.chains for tail, head in pairwise(chain)])

    def _joined(self, pairs: list[tuple[int, int]]) -> dict[int, list[int]]:
        joined: dict[int, list[int]] = {slot: [] for rank in self.ranks for slot in rank}
        for tail, head in pairs:
            joined[head].append(tail)
        return joined


def layered(diagram: Diagram) -> Layers:
    """Return a diagram's boxes and labels in ranks, in an order with few crossings."""
    depths = _depths(diagram)
    ranks: list[list[int]] = [[] for _ in range(2 * max(depths) + 1)]
    for box, depth in enumerate(depths):
        ranks[2 * depth].append(box)
    chains = []
    count = len(depths)
    for arrow in diagram.arrows:
        passed = range(2 * depths[arrow.tail] + 1, 2 * depths[arrow.head])
        slots = range(count, count + len(passed))
        count += len(passed)
        chains.append((arrow.tail, *slots, arrow.head))
        for rank, slot in zip(passed, slots, strict=True):
            ranks[rank].append(slot)
    labels = tuple(chain[-2] for chain in chains)
    return _ordered(Layers(tuple(map(tuple, ranks)), tuple(chains), labels))


def _depths(diagram: Diagram) -> list[int]:
    """Return for each box the length of the longest way to it; boxes that nothing feeds move to where they are used."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(diagram.boxes)))
    graph.add_edges_from((arrow.tail, arrow.head) for arrow in diagram.arrows)
    depths = {box: depth for depth, boxes in enumerate(nx.topological_generations(graph)) for box in boxes}
    for box in graph:
        if not graph.pred[box]:
            depths[box] = min((depths[head] for head in graph.succ[box]), default=1) - 1
    return [depths[box] for box in graph]


def _ordered(layers: Layers) -> Layers:
    """Return the order with the fewest crossings among those from sweeps back and forth by barycentres."""
    before, after = layers.before(), layers.after()
    ranks = best = _by_descent(layers)
    fewest = _crossings(ranks, after)
    for _ in range(_SWEEPS):
        for neighbours, step in ((before, 1), (after, -1)):
            ranks = _swept(ranks[::step], neighbours)[::step]
            if (crossings := _crossings(ranks, after)) < fewest:
                best, fewest = ranks, crossings
    return Layers(best, layers.chains, layers.labels)


def _by_descent(layers: Layers) -> Ranks:
    """Return the order in which a depth-first search from the outputs leaves slots: a tree then has no crossing."""
    root = -1
    graph: nx.DiGraph[int] = nx.DiGraph()
    after = layers.after()
    graph.add_edges_from((root, slot) for rank in layers.ranks for slot in rank if not after[slot])
    graph.add_edges_from((head, tail) for chain in layers.chains for tail, head in pairwise(chain))
    place = {slot: index for index, slot in enumerate(nx.dfs_postorder_nodes(graph, root))}
    return tuple(tuple(sorted(rank, key=lambda slot: place[slot])) for rank in layers.ranks)


def _swept(ranks: Ranks, neighbours: Mapping[int, Sequence[int]]) -> Ranks:
    """Return each rank sorted by the mean places of the neighbours in the rank before."""
    swept: list[tuple[int, ...]] = []
    place: dict[int, float] = {}
    for rank in ranks:
        wanted = {
            slot: sum(place[other] for other in neighbours[slot]) / len(neighbours[slot]) if neighbours[slot] else index
            for index, slot in enumerate(rank)
        }
        swept.append(tuple(sorted(rank, key=lambda slot: wanted[slot])))
        place = {slot: index for index, slot in enumerate(swept[-1])}
    return tuple(swept)


def _crossings(ranks: Ranks, after: Mapping[int, Sequence[int]]) -> int:
    """Return how many pairs of lines cross: inversions among the ends, taken in the order of the starts."""
    count = 0
    for upper, lower in pairwise(ranks):
        place = {slot: index for index, slot in enumerate(lower)}
        seen: list[int] = []
        for slot in upper:
            ends = [place[other] for other in after[slot]]
            count += sum(len(seen) - bisect(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count
