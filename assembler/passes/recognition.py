"""Recognises the language models in graphs without facts about them: those of exported subgraphs.

A graph is searched once, when it has become a part, and each language model becomes an ordinary fact. It is recognised
by what it computes: a table of embeddings, read by ids; one recurrent layer like torch's that reads them forwards; and
a `Squeeze` of the axis of its one direction. All of it is in one part, and names do not matter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import onnx
from onnx import numpy_helper

from assembler.onnx_model.facts import LanguageModel
from assembler.onnx_model.graph_reader import Graph, attribute
from assembler.passes.recurrent_layers import recurrent_layers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.fragment import Fragment

#: The axis of directions in a recurrent layer's output, counted from either end.
_DIRECTIONS = ([1], [-3])


def with_recognised(fragment: Fragment) -> Fragment:
    """Return a part with facts about the language models in it that have none yet."""
    graph, known = Graph(fragment.graph, fragment.weights), {fact.tensor for fact in fragment.facts}
    found = (fact for fact in _language_models(graph) if fact.tensor not in known)
    return replace(fragment, facts=(*fragment.facts, *found))


def _language_models(graph: Graph) -> Iterator[LanguageModel]:
    for layer in recurrent_layers(graph, "LSTM", "GRU"):
        embedding, squeeze = graph.producer(layer.input[0]), graph.only_consumer(layer.output[0])
        if (
            embedding is not None
            and squeeze is not None
            and _looks_up(graph, embedding)
            and attribute(layer, "direction", b"forward") == b"forward"
            and not any(layer.output[1:])
            and squeeze.op_type == "Squeeze"
            and _axes(graph, squeeze) in _DIRECTIONS
        ):
            yield LanguageModel(squeeze.output[0])


def _looks_up(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether an operator takes rows of a table."""
    table = graph.floats(node.input[0]) if node.op_type == "Gather" else None
    return table is not None and table.ndim == 2 and attribute(node, "axis", 0) == 0  # noqa: PLR2004 - rows, columns


def _axes(graph: Graph, squeeze: onnx.NodeProto) -> object:
    """Return the axes that a `Squeeze` removes; since opset 13 they are an input."""
    if len(squeeze.input) == 1:
        return attribute(squeeze, "axes")
    constant = graph.producer(squeeze.input[1])
    if constant is None:
        array = graph.array(squeeze.input[1])
        return None if array is None else array.tolist()
    value = attribute(constant, "value") if constant.op_type == "Constant" else None
    return numpy_helper.to_array(value).tolist() if isinstance(value, onnx.TensorProto) else None
