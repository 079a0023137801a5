"""Renames every tensor and node of a graph, nested graphs included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from assembler.onnx_model.names import Names, NameTakenError
from assembler.onnx_model.nesting import all_nodes, nested

if TYPE_CHECKING:
    from collections.abc import Callable


def rename_tensors(graph: onnx.GraphProto, rename: Callable[[str], str], prefix: str = "") -> onnx.GraphProto:
    """Return a copy of a graph under other names.

    Tensors of nested graphs (of `If`, `Loop`, `Scan`) are renamed by the same rule, so that captured tensors from
    outside are still found.

    Args:
        graph: The graph.
        rename: Returns the new name of a tensor; it is not called for the empty name of an omitted input.
        prefix: The prefix of each node's name; nodes without a name stay without one (see `name_nodes`).
    """
    copy = onnx.GraphProto()
    copy.CopyFrom(graph)
    _rename(copy, rename, prefix)
    return copy


def name_nodes(graph: onnx.GraphProto) -> None:
    """Give every node of a graph a unique name. A node without one gets the name of its output.

    Exporters may leave names out, or write one twice. Passes name their additions after the node to which they belong.

    Args:
        graph: The graph, which is changed; nested graphs too.
    """
    nodes, names = list(all_nodes(graph)), Names()
    for node in nodes:
        try:
            names.claim(node.name)
        except NameTakenError:
            node.name = ""
    for node in nodes:
        if not node.name:
            node.name = names.claim(names.fresh(next((name for name in node.output if name), node.op_type)))


def _rename(graph: onnx.GraphProto, rename: Callable[[str], str], prefix: str) -> None:
    for node in graph.node:
        if node.name:
            node.name = prefix + node.name
        node.input[:] = [rename(name) if name else name for name in node.input]
        node.output[:] = [rename(name) if name else name for name in node.output]
        for inner in nested(node):
            _rename(inner, rename, prefix)
    for tensor in graph.initializer:
        tensor.name = rename(tensor.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = rename(sparse.values.name)
    for info in [*graph.input, *graph.output, *graph.value_info]:
        info.name = rename(info.name)
    for annotation in graph.quantization_annotation:
        annotation.tensor_name = rename(annotation.tensor_name)
