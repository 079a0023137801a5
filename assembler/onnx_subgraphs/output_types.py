"""Finds the types of an exported subgraph's outputs if its file does not declare their axes, or declares wrong ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.core.tensors import Dim, TensorType, Variable
from assembler.isolation.onnx_tools import inferred

if TYPE_CHECKING:
    from assembler.core.arrays import RuntimeValues
    from assembler.onnx_file.header import OnnxHeader


def with_inferred_outputs(model: onnx.ModelProto, graph: onnx.GraphProto, header: OnnxHeader) -> OnnxHeader:
    """Return a header whose outputs have the axes that ONNX infers, if the file declares others or none.

    Args:
        model: The model.
        graph: Its graph, with stubs for large initializers.
        header: What the file says.

    Raises:
        ModelError: The inference dies, hangs or runs out of memory (M025 to M027).
    """
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.graph.CopyFrom(graph)
    light.graph.input.extend(model.graph.input)
    for output in model.graph.output:
        shapeless = light.graph.output.add()
        shapeless.CopyFrom(output)
        if shapeless.type.HasField("tensor_type"):
            shapeless.type.tensor_type.ClearField("shape")
    found = inferred(light, "the inference of its types")
    if found is None:
        return header
    outputs = dict(header.outputs)
    for output in found.graph.output:
        if output.type.HasField("tensor_type") and output.type.tensor_type.HasField("shape"):
            outputs[output.name] = _better(output, outputs[output.name])
    return replace(header, outputs=outputs)


def _better(output: onnx.ValueInfoProto, said: TensorType) -> TensorType:
    """Return the declared type of an output, unless its number of axes is wrong."""
    shape = output.type.tensor_type.shape.dim
    if said.dims is not None and len(said.dims) == len(shape):
        return said
    dims: list[Dim] = [
        dim.dim_value if dim.HasField("dim_value") else Variable(dim.dim_param or f"{output.name}.{axis}")
        for axis, dim in enumerate(shape)
    ]
    return TensorType(said.dtype, tuple(dims))


def require_shapes(what: str, header: OnnxHeader, given: RuntimeValues) -> None:
    """Refuse a run whose outputs differ from what the file declares, because the file is made for other inputs.

    Raises:
        ModelError: The sizes differ (M029).
    """
    for name, array in given.items():
        if not isinstance(array, np.ndarray):  # a sequence, a map or an empty optional has no shape
            continue
        said = header.outputs[name].dims
        if said is None or len(said) != array.ndim:  # a wrong number of axes shows in every run
            continue
        if any(isinstance(dim, int) and dim != size for dim, size in zip(said, array.shape, strict=True)):
            message = f"{what} declares '{name}' as {header.outputs[name]}, but returns {list(array.shape)}"
            hint = "name inputs that the file accepts: proof: {inputs: …}, or cases: file.npz"
            raise ModelError(Problem("M029", message, hint))
