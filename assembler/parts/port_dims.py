"""What a spec calls the dims of a part that is a graph, or has graphs in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE, NAME
from assembler.core.tensors import Open, TensorType, Variable
from assembler.parts.kind import Complaint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from assembler.core.tensors import Dim
    from assembler.core.values import Value

#: What the open dims of a graph are called.
DIMS: dict[str, Value] = {
    "type": "object",
    "additionalProperties": {
        "type": ["string", "integer"],
        "pattern": NAME,
        "minimum": 0,
        "maximum": LARGEST_SIZE,
    },
    "description": "What each open dim of the file is: a dim of the inputs, a new name, or a number. The key "
    "is the name that the file has for it, or `port.axis`. A dim of an output that is not named here, and "
    "that no input of the file has, fits every other.",
    "examples": [{"batch": "sentences", "states.0": "characters", "boxes.0": "found"}],
}


def told_dims(parameters: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return the names that a part's parameter `dims` gives."""
    named = parameters.get("dims")
    return named if isinstance(named, dict) else {}


def dims_of(port: str, type_: TensorType, names: Mapping[str, Value]) -> TensorType:
    """Return a type whose open dims are replaced as the spec says, by their names in the file or by `port.axis`.

    Exporters write `?`, or any text, for a dim about which they know nothing. Dims that share such a name need not be
    equal.
    """
    if type_.dims is None:
        return type_
    dims: list[Dim] = []
    for axis, dim in enumerate(type_.dims):
        place = f"{port}.{axis}"
        told = names.get(place, names.get(dim.name) if isinstance(dim, Variable) else None)
        if not isinstance(dim, Variable):
            dims.append(dim)
        elif isinstance(told, str | int):
            dims.append(told)
        else:
            dims.append(dim if re.match(NAME, dim.name) else Variable(place))
    return TensorType(type_.dtype, tuple(dims))


def by_place(port: str, type_: TensorType) -> TensorType:
    """Return a type whose dims without a name are called `port.axis` by the port of the part.

    The graph in the part may have fewer axes there. Sizes that differ between branches get such a name too.
    """
    if type_.dims is None:
        return type_
    dims = (
        Variable(f"{port}.{axis}")
        if isinstance(dim, Open) or (isinstance(dim, Variable) and dim.name.rpartition(".")[0] == port)
        else dim
        for axis, dim in enumerate(type_.dims)
    )
    return TensorType(type_.dtype, tuple(dims))


def renamed(types: Mapping[str, TensorType], names: Mapping[str, Value]) -> dict[str, TensorType]:
    """Return the types of ports whose open dims are replaced as the spec says; others stay as they are."""
    return {port: _renamed(port, type_, names) for port, type_ in types.items()}


def _renamed(port: str, type_: TensorType, names: Mapping[str, Value]) -> TensorType:
    if type_.dims is None:
        return type_
    dims: list[Dim] = []
    for axis, dim in enumerate(type_.dims):
        told = names.get(f"{port}.{axis}", names.get(dim.name)) if isinstance(dim, Variable) else None
        dims.append(told if isinstance(told, str | int) else dim)
    return TensorType(type_.dtype, tuple(dims))


def opened(type_: TensorType, bound: Collection[Variable]) -> TensorType:
    """Return the type of an output. Its dims are open where no input of the file has them."""
    if type_.dims is None:
        return type_
    dims = (Open(dim.name) if isinstance(dim, Variable) and dim not in bound else dim for dim in type_.dims)
    return TensorType(type_.dtype, tuple(dims))


def bound_dims(inputs: Mapping[str, TensorType]) -> set[Variable]:
    """Return the dims that inputs have."""
    return {dim for type_ in inputs.values() for dim in type_.dims or () if isinstance(dim, Variable)}


def unknown_dims(
    named: Mapping[str, Value], inputs: Mapping[str, TensorType], outputs: Mapping[str, TensorType]
) -> Iterator[Complaint]:
    """Complain of names for dims that a graph does not have."""
    from assembler.core.problems import suggest

    known = bound_dims(inputs) | bound_dims(outputs)
    names = {dim.name for dim in known} | {
        f"{name}.{axis}"
        for name, type_ in (*inputs.items(), *outputs.items())
        for axis, dim in enumerate(type_.dims or ())
        if isinstance(dim, Variable)
    }
    for name in named:
        if name not in names:
            hint = suggest(name, names, what="open dims")
            yield Complaint(("dims", name), f"the file has no open dim '{name}'", hint)
