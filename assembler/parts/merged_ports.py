"""The ports that two graphs have together, where one of them runs: the branches of an `if`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.tensors import Dim, Open, TensorType, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.onnx_file.header import OnnxHeader


@dataclass(frozen=True, slots=True)
class Merged:
    """The ports of two graphs.

    Attributes:
        inputs: Those that one of them must have fed.
        defaults: Those that need not be fed.
        outputs: Those that both give.
        clashes: The ports in which they differ, with what they are in each.
    """

    inputs: Mapping[str, TensorType]
    defaults: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    clashes: Mapping[str, str]


def merged(first: OnnxHeader, second: OnnxHeader) -> Merged:
    """Return the ports of two graphs. Dims of one port have one size, so their names mean the same in both."""
    return _Merging(first, second).ports()


class _Merging:
    """Two graphs, and which dims of them are one."""

    def __init__(self, first: OnnxHeader, second: OnnxHeader) -> None:
        own = {dim for type_ in _types(first) for dim in type_.dims or () if isinstance(dim, Variable)}
        self._first, self._second = first, second
        self._taken = {dim.name for dim in own}
        self._same: dict[Dim, Dim] = {}
        self.clashes: dict[str, str] = {}

    def ports(self) -> Merged:
        inputs = {**self._second.inputs, **self._first.inputs}
        defaults = {**self._second.defaults, **self._first.defaults}
        both = {name: type_ for name, type_ in {**defaults, **inputs}.items() if self._is_in_both(name)}
        for name in both:
            self._meet(name, self._fed(self._first, name), self._fed(self._second, name))
        types = {name: self._type(name) for name in {**inputs, **defaults}}
        outputs = {name: self._output(name) for name in self._first.outputs if name in self._second.outputs}
        return Merged(
            {name: types[name] for name in (*self._first.inputs, *self._second.inputs)},
            {name: types[name] for name in defaults if name not in inputs},
            {name: type_ for name, type_ in outputs.items() if type_.dtype is not None},
            self.clashes,
        )

    def _is_in_both(self, name: str) -> bool:
        return all(name in each.inputs or name in each.defaults for each in (self._first, self._second))

    def _fed(self, header: OnnxHeader, name: str) -> TensorType:
        return header.inputs[name] if name in header.inputs else header.defaults[name]

    def _theirs(self, type_: TensorType) -> TensorType:
        """Return a type of the second graph, with other names for dims where the first has the name for its own."""
        if type_.dims is None:
            return type_
        return TensorType(type_.dtype, tuple(map(self._apart, type_.dims)))

    def _apart(self, dim: Dim) -> Dim:
        return Variable(f"{dim.name}.else") if isinstance(dim, Variable) and dim.name in self._taken else dim

    def _meet(self, name: str, first: TensorType, second: TensorType) -> None:
        theirs = self._theirs(second)
        if first.dtype != second.dtype:
            self._clash(name, first, second)
        elif first.dims is not None and theirs.dims is not None:
            if len(first.dims) != len(theirs.dims):
                self._clash(name, first, second)
                return
            for one, other in zip(first.dims, theirs.dims, strict=True):
                if not self._is_one(self._value(one), self._value(other)):
                    self._clash(name, first, second)

    def _is_one(self, one: Dim, other: Dim) -> bool:
        """Note that two dims are one, if they can be."""
        if isinstance(other, Variable) and other != one and one is not None:
            self._same[other] = one
        elif isinstance(one, Variable) and other != one and other is not None:
            self._same[one] = other
        return not (isinstance(one, int) and isinstance(other, int) and one != other)

    def _clash(self, name: str, first: TensorType, second: TensorType) -> None:
        self.clashes[name] = f"{first} in 'then' and {second} in 'else'"

    def _value(self, dim: Dim) -> Dim:
        while dim in self._same:
            dim = self._same[dim]
        return dim

    def _type(self, name: str) -> TensorType:
        one = next((each[name] for each in (self._first.inputs, self._first.defaults) if name in each), None)
        other = next((each[name] for each in (self._second.inputs, self._second.defaults) if name in each), None)
        known = one if one is not None and (one.dims is not None or other is None) else None
        found = known if known is not None else self._theirs(other or TensorType(None, None))
        return self._resolved(found)

    def _resolved(self, type_: TensorType) -> TensorType:
        return type_ if type_.dims is None else TensorType(type_.dtype, tuple(map(self._value, type_.dims)))

    def _output(self, name: str) -> TensorType:
        one, other = self._resolved(self._first.outputs[name]), self._resolved(self._theirs(self._second.outputs[name]))
        if one.dtype != other.dtype:
            self._clash(name, self._first.outputs[name], self._second.outputs[name])
        if one.dims is None or other.dims is None or len(one.dims) != len(other.dims):
            return TensorType(one.dtype, None)
        pairs = enumerate(zip(one.dims, other.dims, strict=True))
        return TensorType(one.dtype, tuple(a if a == b else Open(f"{name}.{axis}") for axis, (a, b) in pairs))


def _types(header: OnnxHeader) -> list[TensorType]:
    return [*header.inputs.values(), *header.defaults.values(), *header.outputs.values()]
