"""Element types that numpy lacks. The package ml_dtypes, which comes with onnx, has arrays of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from assembler.core.arrays import Array

#: For each, by ONNX's name: what ml_dtypes calls it, and its number in ONNX (TensorProto.DataType).
_BEYOND_NUMPY = {
    "bfloat16": ("bfloat16", 16),
    "float8e4m3fn": ("float8_e4m3fn", 17),
    "float8e4m3fnuz": ("float8_e4m3fnuz", 18),
    "float8e5m2": ("float8_e5m2", 19),
    "float8e5m2fnuz": ("float8_e5m2fnuz", 20),
    "uint4": ("uint4", 21),
    "int4": ("int4", 22),
}
_ONNX_NAMES = {name: onnx_name for onnx_name, (name, _) in _BEYOND_NUMPY.items()}
#: Types of which two values share a byte in ONNX Runtime.
_HALF_BYTES = frozenset({"uint4", "int4"})


def numpy_type(name: str) -> np.dtype[np.generic]:
    """Return numpy's type for an element type of a spec; text is an object.

    Raises:
        TypeError: There is none.
    """
    if name in _BEYOND_NUMPY:
        found: np.dtype[np.generic] = np.dtype(getattr(import_module("ml_dtypes"), _BEYOND_NUMPY[name][0]))
        return found
    return np.dtype(object if name == "string" else name)


def beyond_numpy(name: str) -> bool:
    """Return whether an element type, by ONNX's name, is one that numpy lacks and ml_dtypes has."""
    return name in _BEYOND_NUMPY


def element_type(array: Array) -> str:
    """Return what a spec calls the element type of an array."""
    if array.dtype.kind in "OUS":
        return "string"
    return _ONNX_NAMES.get(array.dtype.name, array.dtype.name)


def number_of(name: str) -> int:
    """Return ONNX's number of an element type that numpy lacks."""
    return _BEYOND_NUMPY[name][1]


def packed(array: Array) -> Array:
    """Return the bits of an array whose type numpy lacks, as ONNX Runtime holds them, in an array of the same shape.

    Of values that share a byte the bits are at the beginning of it; the rest is zero.
    """
    if element_type(array) not in _HALF_BYTES:
        return np.asarray(array, order="C").view(np.uint8 if array.dtype.itemsize == 1 else np.uint16)
    values = array.astype(np.int8).reshape(-1).view(np.uint8) & 0x0F
    pairs = np.append(values, np.zeros(values.size % 2, np.uint8)).reshape(-1, 2)
    bits = np.zeros(values.size, np.uint8)
    bits[: len(pairs)] = pairs[:, 0] | pairs[:, 1] << 4
    return bits.reshape(array.shape)


def packed_size(name: str, count: int) -> int:
    """Return how many bytes so many values take in ONNX Runtime."""
    return (count + 1) // 2 if name in _HALF_BYTES else count * numpy_type(name).itemsize


def unpacked(name: str, content: bytes, shape: tuple[int, ...]) -> Array:
    """Return an array of the bits that ONNX Runtime holds."""
    dtype = numpy_type(name)
    if name not in _HALF_BYTES:
        return np.frombuffer(content, dtype).reshape(shape)
    pairs = np.frombuffer(content, np.uint8)
    values = np.stack([pairs & 0x0F, pairs >> 4], axis=1).reshape(-1)[: int(np.prod(shape, dtype=np.int64))]
    signed = values.astype(np.int8)
    if name == "int4":
        signed = np.where(signed > 7, signed - 16, signed)  # noqa: PLR2004 - the greatest of four bits
    return signed.astype(dtype).reshape(shape)
