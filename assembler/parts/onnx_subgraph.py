"""`onnx`: any exported subgraph; its ports are the inputs and outputs of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports
from assembler.parts.port_dims import DIMS, bound_dims, dims_of, opened, told_dims, unknown_dims

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    names = told_dims(part.parameters)
    inputs = {name: dims_of(name, type_, names) for name, type_ in header.inputs.items()}
    bound = bound_dims(inputs)
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


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of names for dims that the file does not have."""
    header = _header(part)
    if header is not None:
        yield from unknown_dims(told_dims(part.parameters), header.inputs, header.outputs)


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
    parameters={"dims": DIMS},
    weights=True,
    new_dims=("dims",),
    foreign=True,
    takes="graph",
    example={"kind": "onnx", "weights": "lm", "inputs": {"ids": "forward"}},
)
