"""Pass: large weights become int8 with one scale per column, and their factors become whole numbers of 8 bits.

The states of a language model lie between -1 and 1, so its loop rounds them by a constant scale, and they do not depend
on the other sentences. Its weights are rounded for its own states (`rounding`). The input of any other product is
rounded at run time, by its own least and largest value. The input of a head's projection is rounded twice, that is to
16 bits.

Requires: any model. Does: `MatMul` with large weights, and the product of the state in a language model's loop, become
`MatMulIntegerToFloat`; an `LSTM` outside a loop becomes `DynamicQuantizeLSTM`. Ensures: no processor's product
overflows; other weights, other loops, the tables of loops and all biases stay float32; results are close, and the proof
has to measure how close. The operators are ONNX Runtime's own (`com.microsoft`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from assembler.onnx_model.facts import Loop, Projection
from assembler.passes.recurrent_layers import recurrent_layers
from assembler.passes.rewriting import MICROSOFT, Rewriting, changed
from assembler.passes.rounding import LEVELS, quantised, quantised_for
from assembler.passes.sampled_states import sampled_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.onnx_model.graph_reader import Floats
    from assembler.onnx_model.model import Model

_FLOAT32 = 1


@dataclass(frozen=True, slots=True)
class Quantise:
    """The pass.

    Attributes:
        least_values: Weights of fewer values stay float32: their products cost nothing, and they are often the last
            layer, to the labels.
        levels: The largest whole number that a weight or a state becomes. With more than 127 a product can overflow.
    """

    least_values: int = 2**15
    levels: int = LEVELS

    def __call__(self, model: Model) -> Model:
        """Return the model with its large weights as int8."""
        rewriting = Rewriting(model)
        for node in rewriting.nodes("MatMul"):
            weight = rewriting.floats(node.input[1])
            if weight is not None and weight.ndim == 2 and weight.size >= self.least_values:  # noqa: PLR2004 - a matrix
                self._round_product(rewriting, node)
        for node in recurrent_layers(rewriting, "LSTM"):
            rewriting.replace(node, [self._lstm(rewriting, node)], domain=MICROSOFT)
        for fact in rewriting.facts(Loop):
            self._round_loop(rewriting, fact)
        return rewriting.model()

    def _round_product(self, rewriting: Rewriting, node: onnx.NodeProto) -> None:
        """Replace a product in float32 by one in whole numbers."""
        projection = rewriting.fact(Projection, node.output[0])
        weights = self._weights(rewriting, node.input[1], None)
        if projection is None:
            rewriting.replace(node, _product(rewriting, node, weights), domain=MICROSOFT)
        else:
            rewriting.retract(projection)
            rewriting.replace(node, _product_in_two_rounds(rewriting, node, weights), domain=MICROSOFT)

    def _weights(self, rewriting: Rewriting, name: str, states: Floats | None) -> list[str]:
        """Add the int8 form of a matrix, and return its values, scales and zero points."""
        matrix = rewriting.floats(name)
        if matrix is None:
            raise ValueError(name)
        if states is None:
            values, scale = quantised(matrix, self.levels)
        else:
            values, scale = quantised_for(matrix, states, self.levels)
        arrays = (("int8", values), ("scale", scale), ("zero", np.zeros(len(scale), np.int8)))
        return [rewriting.add(rewriting.scope(f"{name}/{kind}"), array) for kind, array in arrays]

    def _round_loop(self, rewriting: Rewriting, fact: Loop) -> None:
        """Compute the product of a language model's states in whole numbers, unless it is small."""
        loop = rewriting.maker(fact)
        copy = changed(loop, list(loop.input))
        [body] = [entry.g for entry in copy.attribute if entry.HasField("g")]
        arguments = {entry.name for entry in body.input}
        [place] = [
            place for place, inner in enumerate(body.node) if inner.op_type == "Gemm" and inner.input[0] in arguments
        ]
        found = body.node[place]
        weight = rewriting.floats(found.input[1])
        if weight is None or weight.size < self.least_values:
            return
        product = changed(found, list(found.input[:2]))
        product.output[:] = [f"{found.name}/float"]
        states = sampled_states(rewriting, loop, len(weight), fact.characters)
        scale = _scale_of_states(rewriting, found.name, self.levels)
        weights = self._weights(rewriting, found.input[1], states)
        addends = [product.output[0], found.input[2]]
        added = helper.make_node("Add", addends, list(found.output), name=f"{found.name}/add")
        nodes = [*body.node[:place], *_product_of_states(product, scale, weights), added, *body.node[place + 1 :]]
        del body.node[:]
        body.node.extend(nodes)
        rewriting.replace(loop, [copy], domain=MICROSOFT)

    def _lstm(self, rewriting: Rewriting, node: onnx.NodeProto) -> onnx.NodeProto:
        """Return a layer with int8 weights; its matrices are transposed, [directions, in, gates * hidden]."""
        inputs = [node.input[0], "", "", node.input[3], *(node.input[4:5] or [""]), "", "", ""]
        for place, name in ((1, node.input[1]), (2, node.input[2])):
            matrix = rewriting.floats(name)
            if matrix is None:
                raise ValueError(name)
            values, scale = quantised(np.swapaxes(matrix, 1, 2), self.levels)
            arrays = (("int8", values), ("scale", scale), ("zero", np.zeros_like(scale, dtype=np.int8)))
            added = [rewriting.add(rewriting.scope(f"{name}/{kind}"), array) for kind, array in arrays]
            inputs[place] = added[0]
            inputs += added[1:]
        layer = changed(node, inputs)
        layer.op_type, layer.domain = "DynamicQuantizeLSTM", MICROSOFT
        return layer


def _product(rewriting: Rewriting, node: onnx.NodeProto, weights: Sequence[str]) -> list[onnx.NodeProto]:
    """Return the operators of `node.input[0] @ weights` in whole numbers."""
    given = [rewriting.scope(f"{node.name}/{kind}") for kind in ("rounded", "scale", "zero")]
    rounded = helper.make_node("DynamicQuantizeLinear", [node.input[0]], given, name=f"{node.name}/round")
    return [rounded, _whole(node, given, weights)]


def _product_in_two_rounds(rewriting: Rewriting, node: onnx.NodeProto, weights: Sequence[str]) -> list[onnx.NodeProto]:
    """Return the operators of a product whose input is rounded, and whose rounding error is rounded too.

    All of a head's information on a token goes through this product, which caused half of the changed tags.
    """
    name = rewriting.scope(f"{node.name}/two")
    first = _product(rewriting, node, weights)
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


def _scale_of_states(rewriting: Rewriting, name: str, levels: int) -> list[str]:
    """Add the scale and the zero point of states from -1 to 1."""
    return [
        rewriting.add(f"{name}/scale", np.array(1 / levels, np.float32)),
        rewriting.add(f"{name}/zero", np.array(levels + 1, np.uint8)),
    ]


def _product_of_states(node: onnx.NodeProto, scale: Sequence[str], weights: Sequence[str]) -> list[onnx.NodeProto]:
    """Return the operators of `states @ weights` in whole numbers."""
    rounded = f"{node.name}/rounded"
    inputs = [node.input[0], *scale]
    return [
        helper.make_node("QuantizeLinear", inputs, [rounded], name=f"{node.name}/round"),
        _whole(node, [rounded, *scale], weights),
    ]


def _whole(node: onnx.NodeProto, given: Sequence[str], weights: Sequence[str]) -> onnx.NodeProto:
    """Return the product of whole numbers; each side is its values, scale and zero point."""
    inputs = [name for pair in zip(given, weights, strict=True) for name in pair]
    name = f"{node.name}/product"
    return helper.make_node("MatMulIntegerToFloat", inputs, [node.output[0]], name=name, domain=MICROSOFT)
