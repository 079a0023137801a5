"""Texts and sequences as values of ONNX Runtime's own: it makes such values of numbers alone, but models give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.engine import ort

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from assembler.core.arrays import Array


def given_value(value: Array | Sequence[Array], type_: str) -> ort.OrtValue:
    """Return a tensor of texts, or a sequence of tensors, as a value that a small model gives.

    Args:
        value: The tensor, or the tensors.
        type_: What ONNX Runtime calls the type of the input that it is for: the elements of an empty sequence have it.
    """
    from onnx import helper

    tensors = [value] if isinstance(value, np.ndarray) else [*value]
    weights = [_tensor(f"tensor_{place}", each) for place, each in enumerate(tensors)]
    names = [tensor.name for tensor in weights]
    element = weights[0].data_type if weights else _element(type_)
    one = helper.make_tensor_type_proto(element, None)
    if isinstance(value, np.ndarray):
        node = helper.make_node("Identity", names, ["value"])
    elif names:
        node = helper.make_node("SequenceConstruct", names, ["value"])
    else:
        node = helper.make_node("SequenceEmpty", [], ["value"], dtype=element)
    whole = one if isinstance(value, np.ndarray) else helper.make_sequence_type_proto(one)
    graph = helper.make_graph([node], "value", [], [helper.make_value_info("value", whole)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[ort.OrtValue] = session.run_with_ort_values(["value"], {})
    return found[0]


def _tensor(name: str, array: Array) -> onnx.TensorProto:
    from onnx import TensorProto, numpy_helper

    if array.dtype.kind not in "OU":
        return numpy_helper.from_array(array, name)
    found = TensorProto(name=name, data_type=TensorProto.STRING, dims=array.shape)
    found.string_data.extend(str(text).encode() for text in array.flat)
    return found


def _element(type_: str) -> int:
    from onnx import TensorProto

    return int(TensorProto.DataType.Value(type_.rpartition("tensor(")[2].rstrip(")").upper()))
