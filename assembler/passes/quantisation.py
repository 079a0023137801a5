"""Pass: large weights become int8, one scale for each column, and what is multiplied with them whole numbers of 8 bits.

The states of a language model lie between -1 and 1, so its loop rounds them by a scale that is always the same: they do
not depend on the sentences beside. Its weights are rounded for states of its own (`rounding`). What
enters any other product is rounded where the model runs, by its own least and largest value; of a head's projection in
two rounds, that is to 16 bits.

Requires: any model. Does: `MatMul` with large weights, and the product of the state in a language model's loop, become
`MatMulIntegerToFloat`; an `LSTM` outside of a loop becomes `DynamicQuantizeLSTM`. Ensures: no processor's product
overflows; other weights, other loops, the tables of loops and all biases stay float32; results are near, which the
proof has to measure. The operators are ONNX Runtime's own (`com.microsoft`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from assembler.passes.rewriting import MICROSOFT, Rewriting, changed
from assembler.passes.rounding import LEVELS, quantised, quantised_for
from assembler.passes.sampled_states import sampled_states
from assembler.passes.token_layers import is_projection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.onnx_model.model import Model
    from assembler.passes.rewriting import Floats

#: Weights of fewer values stay as they are: their products cost nothing, and they are often the last, to the labels.
_LARGE = 2**15
_FLOAT32 = 1


def quantise(model: Model) -> Model:
    """Return the model with its large weights as int8."""
    rewriting = Rewriting(model)
    for node in rewriting.nodes("MatMul"):
        weight = rewriting.floats(node.input[1])
        if weight is not None and weight.ndim == 2 and weight.size >= _LARGE:  # noqa: PLR2004 - rows by columns
            product = _product_in_two_rounds if is_projection(node.name) else _product
            rewriting.replace(node, product(rewriting, node), domain=MICROSOFT)
    for node in rewriting.recurrent_layers("LSTM"):
        rewriting.replace(node, [_lstm(rewriting, node)], domain=MICROSOFT)
    for node in rewriting.nodes("Scan"):
        loop = _loop(rewriting, node, model.loops[node.name]) if node.name in model.loops else None
        if loop is not None:
            rewriting.replace(node, [loop], domain=MICROSOFT)
    return rewriting.model()


def _weights(rewriting: Rewriting, name: str, states: Floats | None) -> list[str]:
    """Add the int8 form of a matrix, and return its values, scales and zero points."""
    matrix = rewriting.floats(name)
    if matrix is None:
        raise ValueError(name)
    values, scale = quantised(matrix) if states is None else quantised_for(matrix, states)
    zeros = np.zeros(len(scale), np.int8)
    arrays = (("int8", values), ("scale", scale), ("zero", zeros))
    return [rewriting.set_array(rewriting.fresh(f"{name}/{kind}"), array) for kind, array in arrays]


def _product(rewriting: Rewriting, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the operators of `node.input[0] @ weights` in whole numbers."""
    given = [rewriting.fresh(f"{node.name}/{kind}") for kind in ("rounded", "scale", "zero")]
    rounded = helper.make_node("DynamicQuantizeLinear", [node.input[0]], given, name=f"{node.name}/round")
    return [rounded, _whole(node, given, _weights(rewriting, node.input[1], None))]


def _product_in_two_rounds(rewriting: Rewriting, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the operators of a product whose input is rounded, and what that leaves out rounded once more.

    All that a head knows of a token goes through this product, and here half of the tags that changed were changed.
    """
    name = rewriting.fresh(f"{node.name}/two")
    first = _product(rewriting, changed(node, list(node.input)))
    weights = first[1].input[1::2]
    first[1].output[0] = f"{name}/coarse"
    rest = [f"{name}/rest/{kind}" for kind in ("rounded", "scale", "zero")]
    rounded, scale, zero = first[0].output
    second = changed(node, list(node.input))
    second.name, second.output[0] = f"{name}/rest", f"{name}/fine"
    return [
        *first,
        # as `DequantizeLinear` computes it, which is wrong for uint8 on WebGPU (onnxruntime issue 32578)
        helper.make_node("Cast", [rounded], [f"{name}/whole"], name=f"{name}/cast", to=_FLOAT32),
        helper.make_node("Cast", [zero], [f"{name}/nothing"], name=f"{name}/cast_zero", to=_FLOAT32),
        helper.make_node("Sub", [f"{name}/whole", f"{name}/nothing"], [f"{name}/steps"], name=f"{name}/count"),
        helper.make_node("Mul", [f"{name}/steps", scale], [f"{name}/kept"], name=f"{name}/keep"),
        helper.make_node("Sub", [node.input[0], f"{name}/kept"], [f"{name}/left"], name=f"{name}/leave"),
        helper.make_node("DynamicQuantizeLinear", [f"{name}/left"], rest, name=f"{name}/rest/round"),
        _whole(second, rest, weights),
        helper.make_node("Add", [f"{name}/coarse", f"{name}/fine"], [node.output[0]], name=f"{name}/both"),
    ]


def _product_of_states(rewriting: Rewriting, node: onnx.NodeProto, states: Floats) -> list[onnx.NodeProto]:
    """Return the operators of `states @ weights` in whole numbers, for states from -1 to 1."""
    name, given = node.name, [f"{node.name}/rounded"]
    given.append(rewriting.set_array(f"{name}/scale", np.array(1 / LEVELS, np.float32)))
    given.append(rewriting.set_array(f"{name}/zero", np.array(LEVELS + 1, np.uint8)))
    rounded = helper.make_node("QuantizeLinear", [node.input[0], *given[1:]], given[:1], name=f"{name}/round")
    return [rounded, _whole(node, given, _weights(rewriting, node.input[1], states))]


def _whole(node: onnx.NodeProto, given: Sequence[str], weights: Sequence[str]) -> onnx.NodeProto:
    """Return the product of whole numbers, each side given as its values, scale and zero point."""
    inputs = [name for pair in zip(given, weights, strict=True) for name in pair]
    name = f"{node.name}/product"
    return helper.make_node("MatMulIntegerToFloat", inputs, [node.output[0]], name=name, domain=MICROSOFT)


def _loop(rewriting: Rewriting, node: onnx.NodeProto, characters: int) -> onnx.NodeProto | None:
    """Return a language model's loop whose product of the state is in whole numbers, or `None` if that is small."""
    copy = changed(node, list(node.input))
    [body] = [entry.g for entry in copy.attribute if entry.HasField("g")]
    arguments = {entry.name for entry in body.input}
    [found] = [inner for inner in body.node if inner.op_type == "Gemm" and inner.input[0] in arguments]
    weight = rewriting.floats(found.input[1])
    if weight is None or weight.size < _LARGE:
        return None
    product = changed(found, list(found.input[:2]))
    product.output[:] = [f"{found.name}/float"]
    states = sampled_states(rewriting, node, len(weight), characters)
    added = helper.make_node("Add", [product.output[0], found.input[2]], list(found.output), name=f"{found.name}/add")
    nodes = list(body.node)
    index = next(index for index, inner in enumerate(nodes) if inner.name == found.name)
    nodes[index : index + 1] = [*_product_of_states(rewriting, product, states), added]
    del body.node[:]
    body.node.extend(nodes)
    return copy


def _lstm(rewriting: Rewriting, node: onnx.NodeProto) -> onnx.NodeProto:
    """Return the layer with int8 weights, whose matrices lie the other way round: [directions, in, gates * hidden]."""
    inputs = [node.input[0], "", "", node.input[3], *(node.input[4:5] or [""]), "", "", ""]
    for place, name in ((1, node.input[1]), (2, node.input[2])):
        matrix = rewriting.floats(name)
        if matrix is None:
            raise ValueError(name)
        values, scale = quantised(np.swapaxes(matrix, 1, 2))
        inputs[place] = rewriting.set_array(rewriting.fresh(f"{name}/int8"), values)
        inputs.append(rewriting.set_array(rewriting.fresh(f"{name}/scale"), scale))
        inputs.append(rewriting.set_array(rewriting.fresh(f"{name}/zero"), np.zeros_like(scale, dtype=np.int8)))
    layer = changed(node, inputs)
    layer.op_type, layer.domain = "DynamicQuantizeLSTM", MICROSOFT
    return layer
