"""Unifies the types that feed a part with those that its ports expect, and reports both ends of a clash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.problems import Problem
from assembler.core.tensors import DTYPES, Dim, Open, TensorType, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.core.problems import Mark


#: Operators of ONNX that make one of what is no tensor, or take a tensor from it.
_OPERATORS = {
    "sequence(": "SequenceConstruct, SequenceAt or ConcatFromSequence",
    "optional(": "Optional or OptionalGetElement",
    "map(": "DictVectorizer",
}


class Unifier:
    """Collects the clashes of a whole graph, and assigns names to new dynamic dims."""

    def __init__(self, dims: Iterable[str]) -> None:
        """Begin with the names of the dims of the model's inputs."""
        self.problems: list[Problem] = []
        self._taken = set(dims)

    def meet(self, node: str) -> Meeting:
        """Return what keeps the variables of one part."""
        return Meeting(self, node)

    def fresh(self, node: str, name: str) -> str:
        """Return a name for a new dynamic dim: `name` if it is free, otherwise one that the node's id makes unique."""
        chosen = name if name not in self._taken else f"{node}_{name}"
        while chosen in self._taken:
            chosen += "_"
        self._taken.add(chosen)
        return chosen


class Meeting:
    """The variables of one part and the dims that they are bound to."""

    def __init__(self, unifier: Unifier, node: str) -> None:
        """Begin with no variable bound."""
        self._unifier = unifier
        self._node = node
        self._bound: dict[Variable, tuple[Dim, str, Mark | None]] = {}
        self._opened: dict[Open, Open] = {}

    def accept(
        self, edge: str, mark: Mark, source: TensorType, pattern: TensorType, *, any_value: bool = False
    ) -> None:
        """Unify the type of a tensor with a port; a clash becomes a problem (W003 for type and rank, W004 for dims).

        Args:
            edge: Where it goes, in words.
            mark: Where the spec says so.
            source: What arrives.
            pattern: What the port takes.
            any_value: Whether a port that names no element type takes what is no tensor too.
        """
        wanted = pattern.dtype or (None if any_value or source.is_tensor else "a tensor")
        if source.dtype and wanted and source.dtype != wanted:
            self._report(Problem.at(mark, "W003", *_type_text(edge, source, pattern)))
            return
        if source.dims is None or pattern.dims is None:
            return
        if len(source.dims) != len(pattern.dims):
            message = (
                f"{_what(edge, source, pattern)}: {_axes(len(source.dims))} arrive, {len(pattern.dims)} are expected"
            )
            self._report(Problem.at(mark, "W003", message, _rank_hint(source, pattern)))
            return
        swapped = _swapped(source.dims, pattern.dims)
        if swapped is not None:
            self._report(Problem.at(mark, "W004", *_swap_text(_what(edge, source, pattern), *swapped)))
            return
        for axis, (dim, expected) in enumerate(zip(source.dims, pattern.dims, strict=True)):
            self._unify(axis, dim, expected, (edge, mark, source, pattern))

    def _unify(self, axis: int, dim: Dim, expected: Dim, where: tuple[str, Mark, TensorType, TensorType]) -> None:
        edge, mark, source, pattern = where
        other = ""
        if isinstance(expected, Variable):
            if expected not in self._bound or _is_open(self._bound[expected][0]):
                self._bound[expected] = (dim, edge, mark)
                return
            expected, first, place = self._bound[expected]
            line = f" (line {place.line})" if place else ""
            other = f" from {first}{line}"
        if _is_open(dim) or _is_open(expected) or dim == expected:
            return
        message = f"{_what(edge, source, pattern)}: axis {axis} is {_size(dim)} here and {_size(expected)}{other}"
        self._report(Problem.at(mark, "W004", message, _size_hint(dim, expected)))

    def give(self, pattern: TensorType) -> TensorType:
        """Return the type of an output, its variables replaced by the dims that they are bound to."""
        if pattern.dims is None:
            return pattern
        return TensorType(pattern.dtype, tuple(self._value(dim) for dim in pattern.dims))

    def _value(self, dim: Dim) -> Dim:
        if isinstance(dim, Open):
            if dim not in self._opened:
                self._opened[dim] = Open(self._unifier.fresh(self._node, dim.name))
            return self._opened[dim]
        if not isinstance(dim, Variable):
            return dim
        if dim not in self._bound:
            self._bound[dim] = (self._unifier.fresh(self._node, dim.name), self._node, None)
        return self._bound[dim][0]

    def _report(self, problem: Problem) -> None:
        self._unifier.problems.append(problem)


def _is_open(dim: Dim) -> bool:
    return dim is None or isinstance(dim, Open)


def _swapped(dims: tuple[Dim, ...], expected: tuple[Dim, ...]) -> tuple[int, int, str, str] | None:
    """Return two axes whose names are swapped at the port, and the names of the tensor's axes."""
    places = {dim: axis for axis, dim in enumerate(dims) if isinstance(dim, str)}
    called = [dim.name if isinstance(dim, Variable) and dim.told else None for dim in expected]
    for name, axis in places.items():
        other = places.get(called[axis] or "")
        if other is not None and other > axis and called[other] == name:
            return axis, other, name, str(dims[other])
    return None


def _swap_text(what: str, axis: int, other: int, first: str, second: str) -> tuple[str, str]:
    """Return the message and the hint for axes that look swapped."""
    message = f"{what}: axis {axis} is '{first}' here and '{second}' there, axis {other} the other way round"
    hint = (
        "a part of kind 'transpose' swaps the axes; if the file only calls them so, write under the part "
        f"dims: {{{second}: {first}, {first}: {second}}}"
    )
    return message, hint


def _what(edge: str, source: TensorType, pattern: TensorType) -> str:
    return f"{edge}: {source} cannot feed {pattern}"


def _type_text(edge: str, source: TensorType, pattern: TensorType) -> tuple[str, str]:
    """Return what is said of types that differ, and what helps."""
    if source.is_tensor and pattern.is_tensor:
        hint = f"a part of kind 'cast' makes {pattern.dtype} of it"
        if pattern.dtype not in DTYPES:
            hint = "convert it inside the exported file"
        return f"{_what(edge, source, pattern)}: the element types differ", hint
    wanted = str(pattern) if pattern.dtype else "tensors alone"
    message = f"{edge}: {source} cannot feed a port that takes {wanted}: the types differ"
    names = (source.dtype or "", pattern.dtype or "")
    operators = [some for outer, some in _OPERATORS.items() if any(name.startswith(outer) for name in names)]
    return message, f"convert it inside the exported file{', or by a part of kind operator: ' if operators else ''}" + (
        ", ".join(operators)
    )


def _axes(count: int) -> str:
    return "1 axis" if count == 1 else f"{count} axes"


def _size(dim: Dim) -> str:
    return f"'{dim}'" if isinstance(dim, str) else str(dim)


def _size_hint(dim: Dim, expected: Dim) -> str:
    if isinstance(dim, int) and isinstance(expected, int):
        return "the two sizes come from the weights or the spec: one of the parts is not the one meant"
    if isinstance(dim, int) or isinstance(expected, int):
        return "one is a fixed size, the other changes from run to run: give both the same"
    return "dims of one size have one name: is the right tensor wired here?"


def _rank_hint(source: TensorType, pattern: TensorType) -> str:
    states, rows = 3, 2
    if source.rank == states and pattern.rank == rows:
        return "a part of kind 'gather' picks the rows that are wanted out of such states"
    return "a part of kind 'reshape' changes the number of axes"
