"""Pass: large weights become int8, one scale for each column.

A processor without VNNI adds the products of two neighbours in a column in 16 bits, which two full weights overflow
(ONNX Runtime's page on quantization: "when and why do I need to try U8U8"). The usual remedy, seven bits for all
weights, doubles the error for the sake of few pairs. Here the scale of each column is the smallest at which no pair of
it can overflow: 255 (|a| + |b|) < 2**15. What is multiplied with them is quantised where the model runs, by its own
least and largest value.

Requires: any model. Does: `MatMul` with large weights, and the product of a loop's state, become
`MatMulIntegerToFloat`; an `LSTM` outside of a loop becomes `DynamicQuantizeLSTM`. Ensures: other weights, the tables of
loops and all biases stay float32; results are near, which the proof has to measure. The operators are ONNX Runtime's
own (`com.microsoft`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from assembler.passes.rewriting import MICROSOFT, Rewriting, changed

if TYPE_CHECKING:
    from assembler.model import Model
    from assembler.passes.rewriting import Floats
    from assembler.sources.weights import Array

#: The largest whole number that a weight becomes, and that a pair of them adds up to before it is rounded.
LEVELS = 127
#: Weights of fewer values stay as they are: their products cost nothing, and they are often the last, to the labels.
_LARGE = 2**15


def quantise(model: Model) -> Model:
    """Return the model with its large weights as int8."""
    rewriting = Rewriting(model)
    for node in rewriting.nodes("MatMul"):
        weight = rewriting.floats(node.input[1])
        if weight is not None and weight.ndim == 2 and weight.size >= _LARGE:  # noqa: PLR2004 - rows by columns
            rewriting.replace(node, _product(rewriting, node), domain=MICROSOFT)
    for node in rewriting.recurrent_layers("LSTM"):
        rewriting.replace(node, [_lstm(rewriting, node)], domain=MICROSOFT)
    for node in rewriting.nodes("Scan"):
        loop = _loop(rewriting, node)
        if loop is not None:
            rewriting.replace(node, [loop], domain=MICROSOFT)
    return rewriting.model()


def quantised(weight: Floats) -> tuple[Array, Floats]:
    """Return weights as int8, and the scale of each column.

    Args:
        weight: float32 [..., rows, columns]; the product adds up over the rows.

    Returns:
        int8 of the same shape, and float32 [..., columns].
    """
    sizes = np.abs(weight)
    even = sizes.shape[-2] // 2 * 2
    largest = sizes.max(axis=-2)
    if even:
        largest = np.maximum(largest, (sizes[..., 0:even:2, :] + sizes[..., 1:even:2, :]).max(axis=-2))
    scale = np.where(largest > 0, largest / LEVELS, 1).astype(np.float32)
    return np.rint(weight / scale[..., np.newaxis, :]).astype(np.int8), scale


def _weights(rewriting: Rewriting, name: str) -> list[str]:
    """Add the int8 form of a matrix, and return its values, scales and zero points."""
    matrix = rewriting.floats(name)
    if matrix is None:
        raise ValueError(name)
    values, scale = quantised(matrix)
    zeros = np.zeros(len(scale), np.int8)
    arrays = (("int8", values), ("scale", scale), ("zero", zeros))
    return [rewriting.set_array(f"{name}/{kind}", array) for kind, array in arrays]


def _product(rewriting: Rewriting, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the operators of `node.input[0] @ weights` in whole numbers."""
    name, output = node.name, node.output[0]
    values, scale, zeros = _weights(rewriting, node.input[1])
    given = [f"{name}/rounded", f"{name}/scale", f"{name}/zero"]
    return [
        helper.make_node("DynamicQuantizeLinear", [node.input[0]], given, name=f"{name}/round"),
        helper.make_node(
            "MatMulIntegerToFloat",
            [given[0], values, given[1], scale, given[2], zeros],
            [output],
            name=f"{name}/product",
            domain=MICROSOFT,
        ),
    ]


def _loop(rewriting: Rewriting, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return a loop whose products of a state are in whole numbers, or `None` where it has none."""
    copy = changed(node, list(node.input))
    [body] = [entry.g for entry in copy.attribute if entry.HasField("g")]
    states = {entry.name for entry in body.input}
    found = [inner for inner in body.node if _is_sum(inner) and inner.input[0] in states]
    large = [
        inner for inner in found if (array := rewriting.floats(inner.input[1])) is not None and array.size >= _LARGE
    ]
    if not large:
        return None
    nodes = list(body.node)
    for inner in large:
        index = next(index for index, entry in enumerate(nodes) if entry.name == inner.name)
        product = f"{inner.name}/float"
        plain = changed(inner, list(inner.input[:2]))
        plain.output[:] = [product]
        added = helper.make_node("Add", [product, inner.input[2]], list(inner.output), name=f"{inner.name}/add")
        nodes[index : index + 1] = [*_product(rewriting, plain), added]
    del body.node[:]
    body.node.extend(nodes)
    return copy


def _is_sum(node: onnx.NodeProto) -> bool:
    """Whether an operator is `state @ weights + bias`, as loops of ours have it."""
    return node.op_type == "Gemm" and len(node.input) == 3 and all(node.input) and not node.attribute  # noqa: PLR2004


def _lstm(rewriting: Rewriting, node: onnx.NodeProto) -> onnx.NodeProto:
    """Return the layer with int8 weights, whose matrices lie the other way round: [directions, in, gates * hidden]."""
    inputs = [node.input[0], "", "", node.input[3], *(node.input[4:5] or [""]), "", "", ""]
    for place, name in ((1, node.input[1]), (2, node.input[2])):
        matrix = rewriting.floats(name)
        if matrix is None:
            raise ValueError(name)
        values, scale = quantised(np.swapaxes(matrix, 1, 2))
        inputs[place] = rewriting.set_array(f"{name}/int8", values)
        inputs.append(rewriting.set_array(f"{name}/scale", scale))
        inputs.append(rewriting.set_array(f"{name}/zero", np.zeros_like(scale, dtype=np.int8)))
    layer = changed(node, inputs)
    layer.op_type, layer.domain = "DynamicQuantizeLSTM", MICROSOFT
    return layer
