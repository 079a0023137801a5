"""Reads the types of inputs and outputs: tensors of any element type, and the sequences, maps and optionals of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import Dim, TensorType, Variable
from assembler.onnx_file.allowance import CountedFile, TooLargeError

if TYPE_CHECKING:
    from assembler.onnx_file.wire import Field

_NEGATIVE = 1 << 63
#: How deep types may be nested: ONNX Runtime knows an optional of a sequence of maps of tensors.
_DEEPEST = 8
#: TensorProto.DataType of onnx.proto, under ONNX's names in lower case, but for two.
_ELEMENT_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
    16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz",
    21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0", 25: "uint2", 26: "int2",
    27: "float6e2m3", 28: "float6e3m2",
}  # fmt: skip
#: The fields of a TypeProto.
_TENSOR, _SEQUENCE, _MAP, _OPAQUE, _SPARSE, _OPTIONAL = 1, 4, 5, 7, 8, 9


def named_type(file: CountedFile, field: Field) -> tuple[str, TensorType]:
    """Return the name and the type of an input or output, which a ValueInfoProto is.

    Raises:
        ValueError: It is damaged, or its type is nested too deeply.
    """
    name, found = "", TensorType(None, None)
    for part in file.fields(field):
        if part.number == 1:
            name = file.text(part)
    for part in file.fields(field):
        if part.number == 2:  # noqa: PLR2004 - ValueInfoProto.type
            found = _type(file, part, name)
    return name, found


def _type(file: CountedFile, field: Field, name: str) -> TensorType:
    found = TensorType(None, None)
    for part in file.fields(field):
        if part.number == _TENSOR:
            found = _tensor(file, part, name)
        else:
            found = TensorType(_container(file, part, 0) or found.dtype, found.dims)
    return found


def _tensor(file: CountedFile, field: Field, name: str) -> TensorType:
    element, dims = None, None
    for part in file.fields(field):
        if part.number == 1:  # Tensor.elem_type
            element = _element(part.value)
        elif part.number == 2:  # noqa: PLR2004 - Tensor.shape
            entries = [dim for dim in file.fields(part) if dim.number == 1]
            file.allowance.spend_text(len(entries) * len(name))  # a dim without a name gets one from this
            dims = tuple(_dim(file, dim, f"{name}.{axis}") for axis, dim in enumerate(entries))
    return TensorType(element, dims)


def _element(number: int) -> str | None:
    """Return the name of an element type. One of a newer ONNX is called by its number."""
    return _ELEMENT_TYPES.get(number, f"element type {number}") if number else None


def _container(file: CountedFile, field: Field, depth: int) -> str | None:
    """Return the name of the type in a field of a TypeProto, or `None` if the field is about something else."""
    if depth == _DEEPEST:
        message = "a type in it is nested too deeply"
        raise TooLargeError(message)
    inside = {part.number: part for part in file.fields(field)}
    if field.number in {_TENSOR, _SPARSE}:
        element = (_element(inside[1].value) if 1 in inside else None) or "any"
        return element if field.number == _TENSOR else f"sparse({element})"
    if field.number in {_SEQUENCE, _OPTIONAL}:
        outer = "sequence" if field.number == _SEQUENCE else "optional"
        return f"{outer}({_inner(file, inside.get(1), depth)})"
    if field.number == _MAP:
        key = (_element(inside[1].value) if 1 in inside else None) or "any"
        return f"map({key}, {_inner(file, inside.get(2), depth)})"
    if field.number == _OPAQUE:
        return f"opaque({', '.join(file.text(inside[number])[:100] for number in (1, 2) if number in inside)})"
    return None


def _inner(file: CountedFile, field: Field | None, depth: int) -> str:
    if field is None:
        return "any"
    said = (_container(file, part, depth + 1) for part in file.fields(field))
    return next((name for name in said if name is not None), "any")


def _dim(file: CountedFile, field: Field, default: str) -> Dim:
    for part in file.fields(field):
        if part.number == 1 and 0 <= part.value < _NEGATIVE:
            return part.value  # exporters write -1, which this encoding makes a large number, for an open dim
        if part.number == 2:  # noqa: PLR2004 - Dimension.dim_param
            name = file.text(part)
            return Variable(name or default, told=bool(name))
    return Variable(default)
