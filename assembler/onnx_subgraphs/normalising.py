"""Changes what ONNX's checker refuses in files that ONNX Runtime runs.

Exporters write nodes in any order, or sparse weights, or files of the first versions, in which initializers had to be
inputs. The changes do not alter what a file computes.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import helper, numpy_helper

from assembler.onnx_model.nesting import inner_graphs, read_by

#: The first version of the format in which an initializer need not be an input.
FREE_INITIALIZERS = 4
#: The most bytes that sparse weights may have after they are made dense.
MOST_DENSE = 1 << 31


class TooDenseError(ValueError):
    """Sparse weights would be too large as dense ones."""


def normalise(model: onnx.ModelProto) -> bool:
    """Sort the nodes of a model and its nested graphs, and make sparse weights dense.

    Args:
        model: The model, which is changed.

    Returns:
        Whether anything had to be changed.

    Raises:
        TooDenseError: Sparse weights would have more than two gigabytes.
        ValueError: Sparse weights are damaged.
    """
    changed = False
    if model.ir_version < FREE_INITIALIZERS and model.graph.initializer:
        model.ir_version = FREE_INITIALIZERS
        changed = True
    for graph in [model.graph, *inner_graphs(model.graph)][::-1]:  # the innermost first, because sorting copies nodes
        changed |= _sort(graph)
        changed |= _densify(graph)
    return changed


def _sort(graph: onnx.GraphProto) -> bool:
    """Put each node after those that it reads from. An order in which this holds is left unchanged."""
    maker = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    needs = [
        {maker[name] for name in read_by(node) if name in maker and maker[name] != number}
        for number, node in enumerate(graph.node)
    ]
    if all(place < number for number, places in enumerate(needs) for place in places):
        return False
    order: list[int] = []
    done: set[int] = set()
    for first in range(len(needs)):
        pending = [first]
        on_the_way: set[int] = set()
        while pending:
            number = pending[-1]
            missing = sorted(needs[number] - done)
            if number in done or not missing or number in on_the_way:  # a loop is left to the checker
                pending.pop()
                if number not in done:
                    done.add(number)
                    order.append(number)
                continue
            on_the_way.add(number)
            pending += missing[::-1]
    nodes = [graph.node[number] for number in order]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return True


def _densify(graph: onnx.GraphProto) -> bool:
    """Make the sparse initializers of a graph, and its sparse constants, dense."""
    changed = bool(graph.sparse_initializer)
    for sparse in graph.sparse_initializer:
        graph.initializer.append(_dense(sparse, sparse.values.name))
    del graph.sparse_initializer[:]
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "sparse_value":
                dense = helper.make_attribute("value", _dense(attribute.sparse_tensor, ""))
                attribute.CopyFrom(dense)
                changed = True
    return changed


def _dense(sparse: onnx.SparseTensorProto, name: str) -> onnx.TensorProto:
    """Return sparse weights as dense ones; their indices are places in the flat tensor, or one row for each place."""
    values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    dims = tuple(sparse.dims)
    size = math.prod(dims)
    if size * values.dtype.itemsize > MOST_DENSE:
        message = f"its sparse weights '{name:.60}' would have {size:,} values"
        raise TooDenseError(message)
    flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), dims)
    if flat.shape != values.shape or (flat.size and not 0 <= flat.min() <= flat.max() < size):
        message = f"the indices of its sparse weights '{name:.60}' do not fit their values and dims"
        raise ValueError(message)
    array = np.zeros(size, values.dtype)
    array[flat] = values
    return numpy_helper.from_array(array.reshape(dims), name)
