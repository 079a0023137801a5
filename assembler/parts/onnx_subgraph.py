"""`onnx`: any exported subgraph; its ports are the inputs and outputs of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from assembler.core.name_rules import LARGEST_SIZE, NAME
from assembler.core.tensors import Open, TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from assembler.core.tensors import Dim
    from assembler.core.values import Value
    from assembler.onnx_file.header import OnnxHeader
    from assembler.onnx_model.emitter import Emitter


@runtime_checkable
class ExportedGraph(Protocol):
    """Weights that are a whole graph."""

    def graft(self, emit: Emitter) -> None:
        """Pass the whole graph to the emitter."""


def ports(part: PartView) -> Ports:
    """Return the ports that the file's header names, or unknown ones if the file is missing."""
    header = _header(part)
    if header is None:
        return Ports(None, None)
    named = part.parameters.get("dims")
    names = named if isinstance(named, dict) else {}
    inputs = {name: dims_of(name, type_, names) for name, type_ in header.inputs.items()}
    bound = {dim for type_ in inputs.values() for dim in type_.dims or () if isinstance(dim, Variable)}
    outputs = {name: opened(dims_of(name, type_, names), bound) for name, type_ in header.outputs.items()}
    return Ports(
        inputs=(
            *(Port(name, type_, any_value=True) for name, type_ in inputs.items()),
            *(
                Port(name, dims_of(name, type_, names), optional=True, any_value=True)
                for name, type_ in header.defaults.items()
            ),
        ),
        outputs=tuple(Port(name, type_) for name, type_ in outputs.items()),
    )


def _header(part: PartView) -> OnnxHeader | None:
    from assembler.onnx_file.header import OnnxHeader

    header = getattr(part.weights, "header", part.weights)
    return header if isinstance(header, OnnxHeader) else None


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


def opened(type_: TensorType, bound: Collection[Variable]) -> TensorType:
    """Return the type of an output. Its dims are open where no input of the file has them."""
    if type_.dims is None:
        return type_
    dims = (Open(dim.name) if isinstance(dim, Variable) and dim not in bound else dim for dim in type_.dims)
    return TensorType(type_.dtype, tuple(dims))


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of names for dims that the file does not have."""
    from assembler.core.problems import suggest

    header, named = _header(part), part.parameters.get("dims")
    if header is None or not isinstance(named, dict):
        return
    types = (*header.inputs.values(), *header.outputs.values())
    known = {dim.name for type_ in types for dim in type_.dims or () if isinstance(dim, Variable)}
    known |= {
        f"{name}.{axis}"
        for name, type_ in (*header.inputs.items(), *header.outputs.items())
        for axis, dim in enumerate(type_.dims or ())
        if isinstance(dim, Variable)
    }
    for name in named:
        if name not in known:
            yield Complaint(
                ("dims", name), f"the file has no open dim '{name}'", suggest(name, known, what="open dims")
            )


def build(part: PartView, emit: Emitter) -> None:
    """Graft the file's graph."""
    weights = part.weights
    if not isinstance(weights, ExportedGraph):
        raise TypeError(weights)
    weights.graft(emit)


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

KIND = Kind(
    name="onnx",
    summary="Any exported ONNX subgraph. Its ports are the inputs and outputs of the file, by their names there; "
    "nothing inside it can collide with another part.",
    ports=ports,
    build=build,
    check=check,
    parameters={"dims": DIMS},
    weights=True,
    new_dims=("dims",),
    foreign=True,
    takes="graph",
    example={"kind": "onnx", "weights": "lm", "inputs": {"ids": "forward"}},
)
