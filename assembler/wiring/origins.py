"""Where tensors come from: the port that outputs one, the tensors joined in it, and the weights that it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.parts.kind import Port
    from assembler.spec.stack_spec import Reference
    from assembler.wiring.graph import Edge, Wiring


def port_of(wiring: Wiring, reference: Reference) -> Port | None:
    """Return the output port that a tensor comes from, or `None` for an input of the model."""
    return next((port for port in wiring.outputs.get(reference.owner, ()) if port.name == reference.port), None)


def fed_port(wiring: Wiring, edge: Edge) -> Port:
    """Return the input port at the end of an edge."""
    return next(port for port in wiring.inputs[edge.node] if port.name == edge.port)


def joined_in(wiring: Wiring, reference: Reference) -> tuple[Edge, ...]:
    """Return the edges of the tensors that are joined in a tensor, in order."""
    port = port_of(wiring, reference)
    return () if port is None or port.joins is None else wiring.feeding(reference.owner, port.joins)


def embeddings_fed(wiring: Wiring) -> Iterator[Edge]:
    """Yield the edges that must carry the embeddings of a loaded model, as the model joins them."""
    for node in wiring.spec.graph:
        for edge in wiring.edges[node]:
            if fed_port(wiring, edge).expects == "embeddings":
                yield edge


def embedded_by(wiring: Wiring, owner: str) -> tuple[str, ...]:
    """Return the nodes with weights from which the vectors of a part come: itself, or those before it."""
    if owner not in wiring.spec.graph:
        return ()
    if wiring.spec.graph[owner].weights is not None:
        return (owner,)
    # the part that computes the indices of a gather names weights too, but no vectors come from it
    edges = (edge for edge in wiring.edges[owner] if fed_port(wiring, edge).fill != "indices")
    found = (model for edge in edges for model in embedded_by(wiring, edge.reference.owner))
    return tuple(dict.fromkeys(found))
