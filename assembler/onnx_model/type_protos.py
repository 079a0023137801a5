"""Types as ONNX writes them: in models, and in the schemas of operators.

`sequence(map(int64, float32))` is `seq(map(int64, tensor(float)))` in a schema, and a nesting of messages in a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import helper

from assembler.core.errors import ModelError
from assembler.core.problems import Problem

if TYPE_CHECKING:
    from assembler.core.tensors import TensorType

#: The element types that ONNX calls something else than a spec does.
_OTHER_NAMES = {"float32": "float", "float64": "double"}
_SCHEMA_NAMES = {"sequence": "seq", "sparse": "sparse_tensor"}
_OUR_NAMES = {short: name for name, short in _OTHER_NAMES.items()}


def element_number(dtype: str) -> int:
    """Return ONNX's number of an element type.

    Raises:
        ValueError: This version of ONNX has none of that name.
    """
    return int(onnx.TensorProto.DataType.Value(_OTHER_NAMES.get(dtype, dtype).upper()))


def element_name(number: int) -> str:
    """Return what a spec calls the element type of a number of ONNX's."""
    name = str(onnx.TensorProto.DataType.Name(number)).lower()
    return _OUR_NAMES.get(name, name)


def type_proto(type_: TensorType, what: str) -> onnx.TypeProto:
    """Return a type as a model declares it; sizes that are not known are left open.

    Args:
        type_: The type.
        what: What is of the type, for the problem.

    Raises:
        ModelError: ONNX Runtime has no values of the type (M005).
    """
    if type_.is_tensor and type_.dtype is not None and type_.dims is not None:
        dims = [dim if isinstance(dim, int) or dim is None else str(dim) for dim in type_.dims]
        return helper.make_tensor_type_proto(_number(type_.dtype, type_, what), dims)
    return _proto(type_.dtype or "", type_, what)


def _proto(name: str, type_: TensorType, what: str) -> onnx.TypeProto:
    outer, bracket, rest = name.partition("(")
    inner = rest.removesuffix(")")
    if not bracket:
        return helper.make_tensor_type_proto(_number(name, type_, what), None)
    if outer == "sequence":
        return helper.make_sequence_type_proto(_proto(inner, type_, what))
    if outer == "optional":
        return helper.make_optional_type_proto(_proto(inner, type_, what))
    if outer == "map":
        key, _, value = inner.partition(", ")
        return helper.make_map_type_proto(_number(key, type_, what), _proto(value, type_, what))
    raise _unfit(type_, what)


def _number(name: str, type_: TensorType, what: str) -> int:
    try:
        return element_number(name)
    except ValueError as err:
        raise _unfit(type_, what) from err


def _unfit(type_: TensorType, what: str) -> ModelError:
    said = f"is {type_.dtype}" if type_.dtype else "is of a type that its file does not say"
    message = f"{what} {said}, of which ONNX Runtime carries no values between parts"
    return ModelError(Problem("M005", message, "convert it inside the exported subgraph"))


def type_name(proto: onnx.TypeProto) -> str | None:
    """Return what a spec calls a type; `None` where ONNX does not say."""
    if proto.HasField("tensor_type"):
        return element_name(proto.tensor_type.elem_type) if proto.tensor_type.elem_type else None
    if proto.HasField("sequence_type"):
        return f"sequence({type_name(proto.sequence_type.elem_type) or 'any'})"
    if proto.HasField("optional_type"):
        return f"optional({type_name(proto.optional_type.elem_type) or 'any'})"
    if proto.HasField("map_type"):
        return f"map({element_name(proto.map_type.key_type)}, {type_name(proto.map_type.value_type) or 'any'})"
    return None


def schema_name(dtype: str) -> str:
    """Return how the schemas of operators write a type: `seq(tensor(float))`."""
    outer, bracket, rest = dtype.partition("(")
    inner = rest.removesuffix(")")
    if not bracket:
        return f"tensor({_OTHER_NAMES.get(dtype, dtype)})"
    if outer == "map":
        key, _, value = inner.partition(", ")
        return f"map({_OTHER_NAMES.get(key, key)}, {schema_name(value)})"
    return f"{_SCHEMA_NAMES.get(outer, outer)}({schema_name(inner)})"


def our_name(schema: str) -> str:
    """Return what a spec calls a type that a schema, or ONNX Runtime, writes so: `sequence(float32)`."""
    outer, bracket, rest = schema.replace(" ", "").partition("(")
    inner = rest.removesuffix(")")
    if not bracket:
        return _OUR_NAMES.get(schema, schema)
    if outer == "tensor":
        return _OUR_NAMES.get(inner, inner)
    if outer == "map":
        key, _, value = inner.partition(",")
        return f"map({_OUR_NAMES.get(key, key)}, {our_name(value)})"
    outer = {short: name for name, short in _SCHEMA_NAMES.items()}.get(outer, outer)
    return f"{outer}({our_name(inner)})"
