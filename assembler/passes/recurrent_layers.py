"""Finds recurrent layers by what they compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.onnx_model.graph_reader import attribute

if TYPE_CHECKING:
    import onnx

    from assembler.onnx_model.graph_reader import Graph

#: The inputs of a recurrent layer up to the biases: X, W, R, B; the lengths are the next.
_WITH_BIASES = 4


def recurrent_layers(graph: Graph, *op_types: str) -> list[onnx.NodeProto]:
    """Return the recurrent layers that are like torch's; exported subgraphs may have others.

    They have float32 initializers as `W`, `R` and `B`, no first states and no peepholes, and no option but torch's: its
    own activations, time first, and in a GRU the reset gate after the recurrent product.
    """
    return [node for node in graph.nodes(*op_types) if _is_torchs(graph, node)]


def _is_torchs(graph: Graph, node: onnx.NodeProto) -> bool:
    options = {entry.name for entry in node.attribute} - {"hidden_size", "direction"}
    own = {"linear_before_reset"} if node.op_type == "GRU" else set()
    if options != own or (own and attribute(node, "linear_before_reset", 0) != 1):
        return False
    if len(node.input) < _WITH_BIASES or any(node.input[5:]):
        return False
    arrays = [graph.floats(name) for name in node.input[1:4]]
    return [None if array is None else array.ndim for array in arrays] == [3, 3, 2]
