"""Walks the graphs that operators such as `If`, `Loop` and `Scan` hold in their attributes, at any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx


def nested(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in an operator's attributes."""
    for entry in node.attribute:
        if entry.HasField("g"):
            yield entry.g
        yield from entry.graphs


def inner_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that are nested in a graph, each before those that are nested in it."""
    for node in graph.node:
        for inner in nested(node):
            yield inner
            yield from inner_graphs(inner)


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the operators of a graph, each before those of the graphs nested in it."""
    for node in graph.node:
        yield node
        for inner in nested(node):
            yield from all_nodes(inner)


def own_names(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the tensors of a graph, without those of nested graphs."""
    stored = (*graph.initializer, *(entry.values for entry in graph.sparse_initializer))
    named = {entry.name for entry in (*graph.input, *stored)}
    return named.union(*(node.output for node in graph.node)) - {""}


def tensor_names(graph: onnx.GraphProto) -> set[str]:
    """Return the names of all tensors of a graph, those of nested graphs included."""
    return own_names(graph).union(*map(own_names, inner_graphs(graph)))


def inner_names(node: onnx.NodeProto) -> set[str]:
    """Return the names of all tensors of the graphs nested in an operator."""
    return {name for graph in nested(node) for name in tensor_names(graph)}


def read_by(node: onnx.NodeProto) -> set[str]:
    """Return every tensor that an operator reads: its inputs, and what its nested graphs read from outside."""
    return {*node.input, *read_inside(node)} - {""}


def read_inside(node: onnx.NodeProto) -> set[str]:
    """Return every tensor outside the graphs nested in an operator that these graphs read."""
    return {name for graph in nested(node) for name in _read_from_outside(graph)}


def _read_from_outside(graph: onnx.GraphProto) -> set[str]:
    read = {output.name for output in graph.output}.union(*map(read_by, graph.node))
    return read - own_names(graph) - {""}
