"""Lays a diagram out: where each box, each label and each line goes. All lengths are points, and y grows downwards."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import TYPE_CHECKING, TypeAlias

from assembler.drawing.layering import layered
from assembler.drawing.positions import positions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.drawing.diagram import Arrow, Box, Diagram
    from assembler.drawing.layering import Layers


@dataclass(frozen=True, slots=True)
class Face:
    """How a line of text is set: its size, and whether it is bold."""

    size: float
    bold: bool = False


Line: TypeAlias = tuple[str, Face]
Point: TypeAlias = tuple[float, float]
#: Returns the width of a line.
Measure: TypeAlias = "Callable[[Line], float]"

_NAME, _DETAIL, _PORTS, _TYPE = Face(10.5, bold=True), Face(8.5), Face(8, bold=True), Face(8)
#: From baseline to baseline, in parts of the size.
LEADING = 1.3
#: Left free around the drawing, between neighbours in a rank, and around text.
_MARGIN, _GAP, _BOX_PADDING, _LABEL_PADDING = 12.0, 14.0, (12.0, 7.0), (4.0, 2.0)
#: The least distance of two lines that meet a box on the same side, and the usual one.
_CROWDED, _SPREAD = 7.0, 26.0
#: The distance between ranks: the least, the increase for each point by which a line moves aside, and the most.
_STEP, _SLOPE, _STEEPEST = 16.0, 0.12, 70.0
#: The length of an arrow's head.
ARROW = 6.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle: its upper left corner, its width and its height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A diagram laid out.

    Attributes:
        width: The width of the whole.
        height: The height of the whole.
        boxes: For each box its frame. No two frames overlap, those of labels included.
        labels: For each arrow the frame of its label.
        curves: For each arrow the points of its line: a start, and then three for each cubic Bézier curve, of which the
            last is where the arrow's head begins. Lines meet only the frames of their own boxes and label.
        downwards: Whether arrows point down; otherwise they point to the right.
    """

    width: float
    height: float
    boxes: tuple[Frame, ...]
    labels: tuple[Frame, ...]
    curves: tuple[tuple[Point, ...], ...]
    downwards: bool


def box_lines(box: Box) -> tuple[Line, ...]:
    """Return the lines of a box, each with its face."""
    name, *details = box.lines
    return ((name, _NAME), *((detail, _DETAIL) for detail in details))


def arrow_lines(arrow: Arrow) -> tuple[Line, ...]:
    """Return the lines of an arrow's label, each with its face."""
    return ((arrow.ports, _PORTS), (arrow.type, _TYPE))


def laid_out(diagram: Diagram, measure: Measure) -> Layout:
    """Return a diagram laid out downwards or to the right, whichever is narrower, because a page scrolls downwards."""
    layers = layered(diagram)
    sizes = _sizes(diagram, layers, measure)
    both = (_Grid(layers, sizes, downwards=downwards).layout() for downwards in (True, False))
    return min(both, key=lambda layout: layout.width)


def _sizes(diagram: Diagram, layers: Layers, measure: Measure) -> list[Point]:
    """Return the width and the height of each slot."""
    sizes = [(0.0, 0.0)] * sum(map(len, layers.ranks))
    for slot, box in enumerate(diagram.boxes):
        sizes[slot] = _size(box_lines(box), measure, _BOX_PADDING)
    for slot, arrow in zip(layers.labels, diagram.arrows, strict=True):
        sizes[slot] = _size(arrow_lines(arrow), measure, _LABEL_PADDING)
    return sizes


def _size(lines: Sequence[Line], measure: Measure, padding: Point) -> Point:
    width = max(measure(line) for line in lines)
    return width + 2 * padding[0], sum(face.size * LEADING for _, face in lines) + 2 * padding[1]


class _Grid:
    """Places slots *across* (along a rank) and *along* (from rank to rank), and turns both into x and y at the end."""

    def __init__(self, layers: Layers, sizes: Sequence[Point], *, downwards: bool) -> None:
        self._layers = layers
        self._downwards = downwards
        self._before, self._after = layers.before(), layers.after()
        self._depths = [size[1 if downwards else 0] for size in sizes]
        self._extents = [max(size[0 if downwards else 1], self._least_extent(slot)) for slot, size in enumerate(sizes)]
        self._centres = positions(layers, self._extents, _GAP)
        self._ends = [self._meeting(chain) for chain in layers.chains]
        self._spans = self._ranked()

    def _least_extent(self, slot: int) -> float:
        return _CROWDED * (max(len(self._before[slot]), len(self._after[slot])) + 1)

    def _meeting(self, chain: Sequence[int]) -> Point:
        """Return where across a line leaves its first box, and where it enters its second."""
        return (
            self._port(chain[0], chain[1], self._after[chain[0]]),
            self._port(chain[-1], chain[-2], self._before[chain[-1]]),
        )

    def _port(self, box: int, slot: int, slots: Sequence[int]) -> float:
        """Return where across a line meets a box.

        All such lines are spread over its side, in the order of their slots.
        """
        ordered = sorted(slots, key=lambda other: self._centres[other])
        step = min(_SPREAD, self._extents[box] / (len(slots) + 1))
        return self._centres[box] + (ordered.index(slot) - (len(slots) - 1) / 2) * step

    def _way(self, arrow: int) -> list[float]:
        """Return where across a line passes each rank."""
        chain, (start, end) = self._layers.chains[arrow], self._ends[arrow]
        return [start, *(self._centres[slot] for slot in chain[1:-1]), end]

    def _ranked(self) -> list[Point]:
        """Return where along each rank begins and ends; lines that move far aside get more room between ranks."""
        aside = [0.0] * len(self._layers.ranks)
        rank_of = {slot: index for index, rank in enumerate(self._layers.ranks) for slot in rank}
        for arrow, chain in enumerate(self._layers.chains):
            for slot, (one, other) in zip(chain, pairwise(self._way(arrow)), strict=False):
                aside[rank_of[slot]] = max(aside[rank_of[slot]], abs(one - other))
        spans: list[Point] = []
        begin = 0.0
        for index, rank in enumerate(self._layers.ranks):
            end = begin + max(self._depths[slot] for slot in rank)
            spans.append((begin, end))
            # An arrow's head needs room only before boxes, which are in the even ranks.
            begin = end + min(_STEP + _SLOPE * aside[index], _STEEPEST) + (ARROW if index % 2 else 0.0)
        return spans

    def layout(self) -> Layout:
        """Return the layout."""
        boxes = len(self._extents) - sum(len(chain) - 2 for chain in self._layers.chains)
        frames = self._frames()
        across = max(centre + extent / 2 for centre, extent in zip(self._centres, self._extents, strict=True))
        width, height = self._turned(across, self._spans[-1][1])
        return Layout(
            width=width + _MARGIN,
            height=height + _MARGIN,
            boxes=tuple(frames[:boxes]),
            labels=tuple(frames[slot] for slot in self._layers.labels),
            curves=tuple(self._curve(arrow) for arrow in range(len(self._layers.chains))),
            downwards=self._downwards,
        )

    def _turned(self, across: float, along: float) -> Point:
        x, y = (across, along) if self._downwards else (along, across)
        return x + _MARGIN, y + _MARGIN

    def _near(self, slot: int, rank: int) -> float:
        """Return where along a slot begins; each is in the middle of its rank."""
        begin, end = self._spans[rank]
        return (begin + end - self._depths[slot]) / 2

    def _frames(self) -> list[Frame]:
        frames = [Frame(0, 0, 0, 0)] * len(self._extents)
        for index, rank in enumerate(self._layers.ranks):
            for slot in rank:
                corner = self._turned(self._centres[slot] - self._extents[slot] / 2, self._near(slot, index))
                size = (self._extents[slot], self._depths[slot])
                frames[slot] = Frame(*corner, *(size if self._downwards else size[::-1]))
        return frames

    def _curve(self, arrow: int) -> tuple[Point, ...]:
        """Return a line that goes straight through each rank, where the boxes are, and aside only between ranks."""
        chain, way = self._layers.chains[arrow], self._way(arrow)
        first = next(index for index, rank in enumerate(self._layers.ranks) if chain[0] in rank)
        last = first + len(chain) - 1
        # From the middle of the box, which hides it: its corners are rounded, and a line beside one would not meet it.
        points = [(way[0], self._near(chain[0], first) + self._depths[chain[0]] / 2)]
        for rank, (one, other) in enumerate(pairwise(way), start=first + 1):
            begin, end = self._spans[rank]
            if rank == last:
                begin, end = begin - ARROW, self._near(chain[-1], last) - ARROW
            leave, enter = (one, self._spans[rank - 1][1]), (other, begin)
            middle = (leave[1] + enter[1]) / 2
            points += [points[-1], leave, leave]
            points += [(one, middle), (other, middle), enter]
            points += [enter, (other, end), (other, end)]
        return tuple(starmap(self._turned, points))
