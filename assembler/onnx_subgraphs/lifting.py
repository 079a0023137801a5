"""Moves large weights from nested graphs and `Constant` nodes to the outermost graph, where equal ones are shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from assembler.onnx_model.fragment import INLINE_BYTES
from assembler.onnx_model.nesting import inner_graphs, nested, own_names, tensor_names

if TYPE_CHECKING:
    from collections.abc import Mapping


def lift(graph: onnx.GraphProto) -> None:
    """Make every large weight of a graph an initializer of it.

    A nested graph's own outputs stay there, because they must be computed there. The graph is changed.

    Args:
        graph: The outermost graph.
    """
    taken = tensor_names(graph)
    lifted: list[onnx.TensorProto] = []
    for inner in (graph, *inner_graphs(graph)):
        given = {output.name for output in inner.output}
        renamed: dict[str, str] = {}
        for tensor in _taken_out(inner, given, outermost=inner is graph):
            fresh = tensor.name
            if inner is not graph:
                while fresh in taken:
                    fresh += "_"
                taken.add(fresh)
                renamed[tensor.name] = fresh
                tensor.name = fresh
            lifted.append(tensor)
        if renamed:
            _rename(inner, renamed)
    graph.initializer.extend(lifted)


def _taken_out(graph: onnx.GraphProto, given: set[str], *, outermost: bool) -> list[onnx.TensorProto]:
    """Take the large weights out of one graph, except its outputs."""
    found = []
    if not outermost:
        large = [tensor for tensor in graph.initializer if _is_large(tensor) and tensor.name not in given]
        found += [_copy(tensor, tensor.name) for tensor in large]
        for tensor in large:
            graph.initializer.remove(tensor)
    for node in [node for node in graph.node if node.op_type == "Constant" and node.output[0] not in given]:
        value = next((entry.t for entry in node.attribute if entry.name == "value" and _is_large(entry.t)), None)
        if value is not None:
            found.append(_copy(value, node.output[0]))
            graph.node.remove(node)
    return found


def _is_large(tensor: onnx.TensorProto) -> bool:
    return len(tensor.raw_data) > INLINE_BYTES or tensor.ByteSize() > 2 * INLINE_BYTES


def _copy(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Replace the names of the tensors that a graph, and those nested in it, read."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for inner in nested(node):
            own = own_names(inner)  # a tensor of its own hides the outer one of the same name
            outside = {name: fresh for name, fresh in names.items() if name not in own}
            _rename(inner, outside)
            for output in inner.output:
                output.name = outside.get(output.name, output.name)
