"""One part as ONNX before it is joined: a graph with named ports, its weights and the facts about it.

Large weights are not copied into the graph: an initializer in the graph is a stub, its array stands in
`Fragment.weights` until the file is written. So a stack of several hundred megabytes is in memory once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Array
    from assembler.onnx_model.facts import Fact

#: An initializer of at most this many bytes is in the graph itself, where shape inference can read it.
INLINE_BYTES = 1024

#: The location that a stub names instead of a file.
STUB = "weights"


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """One part as ONNX, before it is joined.

    Attributes:
        graph: Nodes, initializers (stubs for large ones) and value infos. Its inputs and outputs are left empty.
        weights: The arrays of the stubs, by initializer name.
        inputs: The tensors of each input port.
        outputs: The tensor of each output port.
        opsets: The version of each operator domain.
        facts: The facts that the emitter recorded.
    """

    graph: onnx.GraphProto
    weights: Mapping[str, Array]
    inputs: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, str]
    opsets: Mapping[str, int]
    facts: tuple[Fact, ...] = ()

    def weight_count(self) -> int:
        """Return how many weights the part has: values of large initializers, and of small ones that are real."""
        real = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16}
        initializers = self.graph.initializer
        return sum(math.prod(t.dims) for t in initializers if t.name in self.weights or t.data_type in real)


def tensor_proto(name: str, array: Array) -> onnx.TensorProto:
    """Return an initializer: whole if it is small or holds text, a stub otherwise."""
    if array.dtype.kind in "OUS" or array.nbytes <= INLINE_BYTES:
        return numpy_helper.from_array(array, name)
    stub = onnx.TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
    stub.data_location = onnx.TensorProto.EXTERNAL
    stub.external_data.add(key="location", value=STUB)
    return stub
