"""`onnx`: any exported subgraph; its ports are the inputs and outputs of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.parts.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Return the ports that the file's header names, or unknown ones where the file is not at hand."""
    from assembler.sources.onnx_header import OnnxHeader

    header = getattr(part.weights, "header", part.weights)
    if not isinstance(header, OnnxHeader):
        return Ports(None, None)
    return Ports(
        inputs=tuple(Port(name, type_) for name, type_ in header.inputs.items()),
        outputs=tuple(Port(name, type_) for name, type_ in header.outputs.items()),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Graft the file's graph."""
    from assembler.sources.onnx_subgraph import OnnxSubgraph

    weights = part.weights
    if not isinstance(weights, OnnxSubgraph):
        raise TypeError(weights)
    weights.graft(emit)


KIND = Kind(
    name="onnx",
    summary="Any exported ONNX subgraph. Its ports are the inputs and outputs of the file, by their names there; "
    "nothing inside it can collide with another part.",
    ports=ports,
    build=build,
    weights=True,
    example={"kind": "onnx", "weights": "lm", "inputs": {"ids": "forward"}},
)
