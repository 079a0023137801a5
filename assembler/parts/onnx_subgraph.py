"""`onnx`: any exported subgraph; its ports are the inputs and outputs of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from assembler.core.names import NAME
from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.core.values import Value
    from assembler.onnx_file.header import OnnxHeader
    from assembler.onnx_model.emitter import Emitter


@runtime_checkable
class ExportedGraph(Protocol):
    """Weights that are a whole graph."""

    def graft(self, emit: Emitter) -> None:
        """Give the graph to the emitter as a whole."""


def ports(part: PartView) -> Ports:
    """Return the ports that the file's header names, or unknown ones where the file is not at hand."""
    header = _header(part)
    if header is None:
        return Ports(None, None)
    named = part.parameters.get("dims")
    names = named if isinstance(named, dict) else {}
    return Ports(
        inputs=tuple(Port(name, _named(type_, names)) for name, type_ in header.inputs.items()),
        outputs=tuple(Port(name, _named(type_, names)) for name, type_ in header.outputs.items()),
    )


def _header(part: PartView) -> OnnxHeader | None:
    from assembler.onnx_file.header import OnnxHeader

    header = getattr(part.weights, "header", part.weights)
    return header if isinstance(header, OnnxHeader) else None


def _named(type_: TensorType, names: Mapping[str, Value]) -> TensorType:
    """Return a type whose open dims have the names that the spec gives them."""
    if type_.dims is None:
        return type_
    dims = (names.get(dim.name, dim) if isinstance(dim, Variable) else dim for dim in type_.dims)
    return TensorType(type_.dtype, tuple(dim if isinstance(dim, int | Variable) else str(dim) for dim in dims))


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of names for dims that the file does not have."""
    from assembler.core.problems import suggest

    header, named = _header(part), part.parameters.get("dims")
    if header is None or not isinstance(named, dict):
        return
    types = (*header.inputs.values(), *header.outputs.values())
    known = {dim.name for type_ in types for dim in type_.dims or () if isinstance(dim, Variable)}
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


KIND = Kind(
    name="onnx",
    summary="Any exported ONNX subgraph. Its ports are the inputs and outputs of the file, by their names there; "
    "nothing inside it can collide with another part.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "dims": {
            "type": "object",
            "additionalProperties": {"type": "string", "pattern": NAME},
            "description": "Which dim of the model each open dim of the file is. A dim that the file leaves without a "
            "name is `port.axis`. One that is not named here is a dim of its own.",
            "examples": [{"batch": "sentences", "states.0": "characters"}],
        }
    },
    weights=True,
    example={"kind": "onnx", "weights": "lm", "inputs": {"ids": "forward"}},
)
