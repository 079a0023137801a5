"""Pass: the large layers of any graph, and of the graphs nested in it, get int8 weights with one scale per column.

Unlike `quantisation`, it needs no facts about the model. A product in whole numbers rounds its other factor when it
runs, by its least and largest value. The weights of a `Conv` are stored as int8 and multiplied in float32, because ONNX
Runtime's `ConvInteger` is slower than its `Conv` (docs/performance.md), so only the size of the file changes there.

Requires: any model. Does: `MatMul` and `Gemm` whose second factor is a large float32 initializer become
`MatMulIntegerToFloat`; an `LSTM` with such weights, and with first states or not, becomes `DynamicQuantizeLSTM`; the
weights of a `Conv` or a `ConvTranspose` become int8 and a `Cast`. Ensures: no processor's product overflows; smaller
weights, other factors, biases and all other operators stay float32; results are close, and the proof has to measure how
close. The operators are ONNX Runtime's own (`com.microsoft`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from assembler.onnx_model.facts import Loop
from assembler.onnx_model.graph_reader import attribute
from assembler.onnx_model.nesting import nested, own_names
from assembler.passes.rewriting import MICROSOFT, Rewriting, changed
from assembler.passes.rounding import LEVELS, quantised

if TYPE_CHECKING:
    from assembler.core.arrays import Array
    from assembler.onnx_model.graph_reader import Floats
    from assembler.onnx_model.model import Model

_FLOAT32 = 1
_MATRIX = 2
#: The inputs of a recurrent layer up to the first states of cells; peepholes follow.
_STATES = 7


@dataclass(frozen=True, slots=True)
class RoundLayers:
    """The pass.

    Attributes:
        least_values: Weights of fewer values stay float32: their products cost nothing.
        levels: The largest whole number that a weight becomes. With more than 127 a product can overflow.
    """

    least_values: int = 2**15
    levels: int = LEVELS

    def __call__(self, model: Model) -> Model:
        """Return the model with its large layers in whole numbers."""
        rewriting = Rewriting(model)
        loops = {fact.tensor for fact in rewriting.facts(Loop)}  # `quantisation` has decided about their bodies
        for node in rewriting.nodes():
            if loops.isdisjoint(node.output):
                found = _Layers(rewriting, self, frozenset()).rounded(node)
                if found is not None:
                    rewriting.replace(node, found, domain=MICROSOFT if _uses_own(found) else None)
        return rewriting.model()


@dataclass(frozen=True, slots=True)
class _Layers:
    """The layers of one graph.

    Attributes:
        rewriting: The model.
        options: The thresholds.
        own: The tensors of the nested graph itself, and of those around it, which hide initializers of the same name.
    """

    rewriting: Rewriting
    options: RoundLayers
    own: frozenset[str]

    def rounded(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """Return the operators in the place of one, or `None` where it stays as it is."""
        if node.domain in {"", "ai.onnx"}:
            match node.op_type:
                case "MatMul":
                    return self._product(node, self._weight(node, 1), None)
                case "Gemm":
                    return self._gemm(node)
                case "Conv" | "ConvTranspose":
                    return self._conv(node)
                case "LSTM":
                    return self._lstm(node)
        return self._inside(node)

    def _inside(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """Return an operator with rounded layers in its nested graphs."""
        if not any(nested(node)):
            return None
        copy, any_found = changed(node, list(node.input)), False
        for graph in nested(copy):
            own = own_names(graph)
            layers = _Layers(self.rewriting, self.options, self.own | own)
            nodes: list[onnx.NodeProto] = []
            for inner in graph.node:
                found = layers.rounded(inner)
                any_found |= found is not None
                nodes += [inner] if found is None else found
            kept = [_copy(each) for each in nodes]
            del graph.node[:]
            graph.node.extend(kept)
        return [copy] if any_found else None

    def _weight(self, node: onnx.NodeProto, place: int) -> Floats | None:
        """Return a large weight that an operator reads."""
        name = node.input[place] if len(node.input) > place else ""
        array = None if name in self.own else self.rewriting.floats(name)
        if array is None or array.size < self.options.least_values or not np.isfinite(array).all():
            return None
        return array

    def _constant(self, name: str) -> Floats | None:
        return None if name in self.own else self.rewriting.floats(name)

    def _added(self, scope: str, **arrays: Array) -> list[str]:
        return [self.rewriting.add(f"{scope}/{kind}", array) for kind, array in arrays.items()]

    def _product(self, node: onnx.NodeProto, weight: Floats | None, addend: str | None) -> list[onnx.NodeProto] | None:
        """Return `node.input[0] @ weight + addend` in whole numbers, rows rounded when it runs."""
        if weight is None or weight.ndim != _MATRIX:
            return None
        scope = self.rewriting.scope(f"{node.output[0]}/whole")
        values, scale = quantised(weight, self.options.levels)
        matrix = self._added(scope, int8=values, weight_scale=scale, weight_zero=np.zeros(len(scale), np.int8))
        given = [f"{scope}/{kind}" for kind in ("rounded", "scale", "zero")]
        inputs = [name for pair in zip(given, matrix, strict=True) for name in pair]
        whole = f"{scope}/product" if addend else node.output[0]
        bias = None if addend is None else self._constant(addend)
        if addend and bias is not None and bias.shape == (weight.shape[1],):
            inputs, whole = [*inputs, addend], node.output[0]
        nodes = [
            helper.make_node("DynamicQuantizeLinear", [node.input[0]], given, name=f"{scope}/round"),
            helper.make_node("MatMulIntegerToFloat", inputs, [whole], name=f"{scope}/product", domain=MICROSOFT),
        ]
        if addend is not None and whole != node.output[0]:
            nodes.append(helper.make_node("Add", [whole, addend], [node.output[0]], name=f"{scope}/add"))
        return nodes

    def _gemm(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        weight = self._weight(node, 1)
        if weight is None or attribute(node, "transA", 0):
            return None
        addend = node.input[2] if len(node.input) > _MATRIX and node.input[2] else None
        if addend is not None and attribute(node, "beta", 1.0) != 1.0:
            return None
        matrix = weight.T if attribute(node, "transB", 0) else weight
        alpha = attribute(node, "alpha", 1.0)
        scaled = matrix * np.float32(alpha) if isinstance(alpha, float) else matrix
        return self._product(node, np.ascontiguousarray(scaled), addend)

    def _conv(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """Return a convolution whose weights are int8, with a scale for each of its kernels, until it is loaded."""
        weight = self._weight(node, 1)
        if weight is None:
            return None
        scope = self.rewriting.scope(f"{node.output[0]}/kernels")
        largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True)
        scale = np.where(largest > self.options.levels * np.finfo(np.float32).tiny, largest / self.options.levels, 1)
        scale = scale.astype(np.float32)
        stored, kept = self._added(scope, int8=np.rint(weight / scale).astype(np.int8), scale=scale)
        return [
            helper.make_node("Cast", [stored], [f"{scope}/whole"], name=f"{scope}/cast", to=_FLOAT32),
            helper.make_node("Mul", [f"{scope}/whole", kept], [f"{scope}/float"], name=f"{scope}/scaled"),
            changed(node, [node.input[0], f"{scope}/float", *node.input[2:]]),
        ]

    def _lstm(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """Return a layer with int8 weights; its matrices are transposed, [directions, in, gates * hidden]."""
        weights = [self._weight(node, place) for place in (1, 2)]
        if any(node.input[_STATES:]) or attribute(node, "layout", 0):
            return None
        if not any(weight is not None for weight in weights):
            return None
        scope = self.rewriting.scope(f"{node.output[0] or next(filter(None, node.output))}/whole")
        inputs = [*node.input, *[""] * (_STATES - len(node.input)), ""]
        for place, kind in ((1, "input"), (2, "recurrent")):
            matrix = self._constant(node.input[place])
            if matrix is None or not np.isfinite(matrix).all():
                return None
            values, scale = quantised(np.swapaxes(matrix, 1, 2), self.options.levels)
            zero = np.zeros_like(scale, dtype=np.int8)
            names = self._added(f"{scope}/{kind}", int8=values, scale=scale, zero=zero)
            inputs[place] = names[0]
            inputs += names[1:]
        layer = changed(node, inputs)
        layer.op_type, layer.domain = "DynamicQuantizeLSTM", MICROSOFT
        kept = [entry for entry in layer.attribute if entry.name != "layout"]
        del layer.attribute[:]
        layer.attribute.extend(kept)
        return [layer]


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _uses_own(nodes: list[onnx.NodeProto]) -> bool:
    """Return whether operators beyond ONNX's own are among some, or nested in them."""
    return any(node.domain == MICROSOFT or any(_uses_own(list(graph.node)) for graph in nested(node)) for node in nodes)
