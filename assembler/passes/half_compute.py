"""Pass: large layers of any graph are computed in half precision, and what lies between them where it loses nothing.

A region of half precision begins at a product with a large weight: `MatMul`, `Gemm`, `Conv`, `ConvTranspose`, `LSTM`,
`GRU`, `RNN`, or a `Gather` of its rows. Operators of `_JOIN` that read from a region join it. All others stay float32,
with a `Cast` before them: sums and means (`Reduce…`, normalisations, average pools), exponentials, logarithms, powers,
roots and quotients (`Softmax`, `Exp`, `Pow`, `Sqrt`, `Div` …), squares, `Resize`, and operators of other domains. Half
precision ends at 65,504 and has eleven bits, so these overflow or lose most. An operator also stays float32 if one of
its constants does not fit: -1e9 of a mask, or 1e-12 under a root.

Requires: any model. Ensures: inputs and outputs, of nested graphs too, keep their types; results are close, and the
proof has to measure how close.

Limits: processors have few kernels for half precision. There ONNX Runtime computes the others in float32, and drops
casts to half precision and back, so a proof on a processor sees less rounding than a GPU does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

from assembler.isolation.onnx_tools import inferred
from assembler.onnx_model.graph_reader import attribute
from assembler.onnx_model.nesting import all_nodes, nested, own_names, read_by
from assembler.passes.rewriting import Rewriting, changed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.core.arrays import Array
    from assembler.onnx_model.model import Model

_FLOAT16, _FLOAT32 = int(onnx.TensorProto.FLOAT16), int(onnx.TensorProto.FLOAT)
#: The operators that begin a region.
_BEGIN = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose", "LSTM", "GRU", "RNN", "Gather"})
#: Those that only move values: their outputs have the type of their first input (`Where`: of the second).
_MOVE = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "MaxPool", "Pad",
    "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
#: Those that compute a value of others of about its size.
_COMPUTE = frozenset({
    "Abs", "Add", "Clip", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Max", "Min", "Mul", "Neg", "PRelu", "Relu",
    "Sigmoid", "Sub", "Tanh",
})  # fmt: skip
_JOIN = _MOVE | _COMPUTE | (_BEGIN - {"Gather"})
#: The share by which a constant may change: a normal number changes by at most half of it.
_LOST = 2.0**-10


@dataclass(frozen=True, slots=True)
class ComputeInHalf:
    """The pass.

    Attributes:
        least_values: Weights of fewer values begin no region.
    """

    least_values: int = 2**12

    def __call__(self, model: Model) -> Model:
        """Return the model with its large layers in half precision."""
        rewriting = Rewriting(model)
        found = inferred(model.proto, "the inference of its types")
        types = _types(model.proto.graph if found is None else found.graph)
        scope = _Scope(rewriting, self.least_values, types, rewriting.outputs)
        for node in rewriting.nodes():
            given = scope.lowered(node)
            if given is not None:
                rewriting.replace(node, given)
        return rewriting.model()


@dataclass(slots=True)
class _Scope:
    """One graph under change, operator after operator.

    Attributes:
        rewriting: The model.
        least_values: Weights of fewer values begin no region.
        types: The element type of each tensor, as far as it is known.
        outputs: The outputs of the graph.
        half: The tensors that have a form in half precision, with its name.
        missing: Those that have no other form yet.
        constants: The values of `Constant` operators, by tensor.
        own: The tensors of nested graphs, which hide initializers of the same name.
    """

    rewriting: Rewriting
    least_values: int
    types: dict[str, int]
    outputs: set[str]
    half: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    constants: dict[str, Array] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    def lowered(self, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
        """Return the operators in the place of one, or `None` where it stays as it is."""
        if node.op_type == "Constant" and isinstance(value := attribute(node, "value"), onnx.TensorProto):
            self.constants[node.output[0]] = numpy_helper.to_array(value)
        if node.op_type == "Constant" and isinstance(number := attribute(node, "value_float"), float):
            self.constants[node.output[0]] = np.array(number, np.float32)
        if self._fits(node):
            return self._in_half(node)
        before = [cast for name in sorted(read_by(node) & self.missing) for cast in self._back(name)]
        inner = self._inside(node)
        self.types.update(_passed_on(node, self.types))
        return [*before, inner or node] if before or inner is not None else None

    def _inside(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """Return an operator with regions in its nested graphs."""
        if not any(nested(node)):
            return None
        copy, any_found = changed(node, list(node.input)), False
        for graph in nested(copy):
            own = own_names(graph)
            constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
            outside = {name: half for name, half in self.half.items() if name not in own}
            outputs = {entry.name for entry in graph.output}
            known = {name: array for name, array in self.constants.items() if name not in own} | constants
            scope = _Scope(
                self.rewriting, self.least_values, self.types, outputs, outside, set(), known, self.own | own
            )
            nodes: list[onnx.NodeProto] = []
            for inner in graph.node:
                found = scope.lowered(inner)
                any_found |= found is not None
                nodes += [inner] if found is None else found
            kept = [changed(each, list(each.input)) for each in nodes]
            del graph.node[:]
            graph.node.extend(kept)
        return copy if any_found else None

    def _fits(self, node: onnx.NodeProto) -> bool:
        """Return whether an operator can be computed in half precision, and begins a region or joins one."""
        inputs = [name for name in node.input if name]
        floats = [name for name in inputs if self._type(name) == _FLOAT32]
        given = {name: self._constant(name) for name in floats}
        unfit = (
            node.domain not in {"", "ai.onnx"}
            or node.op_type not in _BEGIN | _JOIN
            or not floats
            or any(self._type(name) is None for name in inputs)
            or (node.op_type == "Mul" and len(set(inputs)) == 1)  # a square
            or (node.op_type in _MOVE and floats[0] != node.input[int(node.op_type == "Where")])
        )
        if unfit or any(array is not None and not _holds(array) for array in given.values()):
            return False
        large = any(array is not None and array.size >= self.least_values for array in given.values())
        if large and node.op_type in _BEGIN:
            return True
        return node.op_type in _JOIN and any(name in self.half for name in floats)

    def _in_half(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return an operator in half precision, and the casts around it."""
        before: list[onnx.NodeProto] = []
        inputs = [self._halved(name, before) if self._type(name) == _FLOAT32 else name for name in node.input]
        copy = changed(node, inputs)
        after: list[onnx.NodeProto] = []
        for place, name in enumerate(node.output):
            if not name or (node.op_type == "MaxPool" and place):  # its second output is whole numbers
                continue
            self.half[name] = copy.output[place] = self.rewriting.scope(f"{name}/half")
            self.types[name] = _FLOAT32
            self.missing.add(name)
            if name in self.outputs:
                after += self._back(name)
        return [*before, copy, *after]

    def _halved(self, name: str, before: list[onnx.NodeProto]) -> str:
        """Return the form of a tensor in half precision; where it has none yet, it gets one."""
        if name not in self.half:
            array = self._constant(name)
            half = self.rewriting.scope(f"{name}/half")
            if array is None:
                before.append(helper.make_node("Cast", [name], [half], name=f"{half}/cast", to=_FLOAT16))
            else:
                self.rewriting.add(half, array.astype(np.float16))
            self.half[name] = half
        return self.half[name]

    def _back(self, name: str) -> Iterable[onnx.NodeProto]:
        """Return the operator that gives a tensor its own type again."""
        self.missing.discard(name)
        half = self.half[name]
        yield helper.make_node("Cast", [half], [name], name=f"{half}/float", to=_FLOAT32)

    def _constant(self, name: str) -> Array | None:
        if name in self.constants:
            return self.constants[name]
        return None if name in self.own else self.rewriting.array(name)

    def _type(self, name: str) -> int | None:
        array = self._constant(name)
        return self.types.get(name) if array is None else int(helper.np_dtype_to_tensor_dtype(array.dtype))


def _holds(array: Array) -> bool:
    """Return whether half precision holds a constant: all of it, and to about its own eleven bits."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.array_equal(np.isfinite(half), np.isfinite(array)):
        return False
    finite = array[np.isfinite(array)].astype(np.float64)
    lost = np.linalg.norm(half[np.isfinite(array)].astype(np.float64) - finite)
    return bool(lost <= _LOST * np.linalg.norm(finite))


def _types(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the element types of tensors; where two nested graphs have a name for two types, nothing is said of it."""
    found: dict[str, int] = {}
    twice: set[str] = set()
    graphs = [graph, *(inner for node in all_nodes(graph) for inner in nested(node))]
    for each in graphs:
        for info in (*each.input, *each.output, *each.value_info):
            if info.type.HasField("tensor_type"):
                kind = info.type.tensor_type.elem_type
                if found.setdefault(info.name, kind) != kind:
                    twice.add(info.name)
    return {name: kind for name, kind in found.items() if kind and name not in twice}


def _passed_on(node: onnx.NodeProto, types: dict[str, int]) -> dict[str, int]:
    """Return the types of outputs that are those of an input, where inference has stopped before."""
    if node.op_type not in _MOVE or node.domain or node.op_type == "MaxPool":
        return {}
    place = int(node.op_type == "Where")
    read: Sequence[str] = node.input[place : place + 1]
    return {name: types[read[0]] for name in node.output if read and read[0] in types and name not in types}
