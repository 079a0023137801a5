"""Reads a graph: its operators by the tensors between them, and the values of its initializers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from onnx import helper, numpy_helper

from assembler.onnx_model.nesting import read_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from assembler.core.arrays import Array

Floats: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"


class Graph:
    """A graph whose large initializers are stubs.

    Nested graphs may read any tensor outside; they are kept unchanged.
    """

    def __init__(self, proto: onnx.GraphProto, weights: Mapping[str, Array]) -> None:
        """Begin with a graph and the arrays of its stubs."""
        self._nodes = list(proto.node)
        self._protos = {tensor.name: tensor for tensor in proto.initializer}
        self._weights = dict(weights)
        self.outputs = {output.name for output in proto.output}
        self.inputs = {entry.name for entry in proto.input}

    def nodes(self, *op_types: str) -> list[onnx.NodeProto]:
        """Return the operators in order, only those of some types if any are named."""
        return [node for node in self._nodes if not op_types or node.op_type in op_types]

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """Return the operator that outputs a tensor."""
        return next((node for node in self._nodes if tensor in node.output), None)

    def consumers(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the operators that read a tensor, themselves or in a nested graph."""
        return [node for node in self._nodes if tensor in read_by(node)]

    def only_consumer(self, tensor: str) -> onnx.NodeProto | None:
        """Return the only operator that reads a tensor, if the tensor is not an output, or `None`."""
        found = self.consumers(tensor)
        return found[0] if len(found) == 1 and tensor not in self.outputs else None

    def array(self, tensor: str) -> Array | None:
        """Return the value of an initializer, or `None` for any other tensor."""
        if tensor in self._weights:
            return self._weights[tensor]
        return numpy_helper.to_array(self._protos[tensor]) if tensor in self._protos else None

    def floats(self, tensor: str) -> Floats | None:
        """Return the value of a float32 initializer, or `None` for any other tensor."""
        found = self.array(tensor)
        return cast("Floats", found) if found is not None and found.dtype == np.float32 else None


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """Return an attribute of an operator."""
    return next((helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name), default)
