"""Runs a model on values of any type: ONNX Runtime takes some as arrays, and others as values of its own."""

from __future__ import annotations

import ctypes
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from assembler.core.element_types import beyond_numpy, element_type, number_of, packed, packed_size, unpacked
from assembler.isolation.given_values import given_value
from assembler.runtime.engine import ort

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.core.arrays import Array, RuntimeValue, RuntimeValues


def run_session(session: ort.InferenceSession, names: Sequence[str], feeds: RuntimeValues) -> dict[str, RuntimeValue]:
    """Return the outputs called `names`.

    Raises:
        TypeError: An output is of a type that numpy lacks, and a map is fed, of which nothing makes a value that such a
            run takes.
    """
    fed = {name: _fed(value) for name, value in feeds.items()}
    elements = {port.name: _element(port.type) for port in session.get_outputs()}
    odd = [name for name in names if beyond_numpy(elements[name])]
    plain = [name for name in names if name not in odd]
    found: dict[str, RuntimeValue] = {}
    if plain:
        found.update(zip(plain, session.run(plain, fed), strict=True))
    if odd:
        types = {port.name: port.type for port in session.get_inputs()}
        values = {
            name: _ort_value(name, value, types.get(name, ""), elements[odd[0]])
            for name, value in fed.items()
            if value is not None
        }
        given = session.run_with_ort_values(odd, values)
        found.update({name: _read(value, elements[name]) for name, value in zip(odd, given, strict=True)})
    return {name: _plain(found[name]) for name in names}


def _element(port_type: str) -> str:
    """Return the element type of a tensor, as ONNX Runtime names it."""
    return port_type.removeprefix("tensor(").removesuffix(")")


def _fed(value: RuntimeValue) -> Any:  # noqa: ANN401 - what ONNX Runtime takes
    if not isinstance(value, np.ndarray):
        return [_fed(each) for each in value] if isinstance(value, list | tuple) else value
    if value.dtype.kind == "U":
        return value.astype(object)
    name = element_type(value)
    if not beyond_numpy(name):
        return value
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(packed(value), number_of(name))


def _ort_value(name: str, value: Any, type_: str, wanted: str) -> ort.OrtValue:  # noqa: ANN401 - what it takes
    if isinstance(value, ort.OrtValue):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return ort.OrtValue.ortvalue_from_numpy(value)
    if isinstance(value, np.ndarray | list):
        return given_value(value, type_)
    message = f"outputs of {wanted} cannot be read, because the input '{name}' is a map"
    raise TypeError(message)


def _read(value: ort.OrtValue, name: str) -> Array:
    shape = tuple(value.shape())
    size = packed_size(name, prod(shape))
    return unpacked(name, ctypes.string_at(value.data_ptr(), size) if size else b"", shape)


def _plain(value: RuntimeValue) -> RuntimeValue:
    """Return a value whose scalars are arrays: ONNX Runtime returns some as plain numbers."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return np.asarray(value) if isinstance(value, np.generic) else value


def shown(name: str, value: RuntimeValue) -> str:
    """Return the name of a value, with its type and sizes."""
    if isinstance(value, np.ndarray):
        dtype = element_type(value) if beyond_numpy(element_type(value)) else value.dtype
        return f"{name} {dtype}{list(value.shape)}"
    if isinstance(value, list | tuple):
        return f"{name} sequence of {len(value)}"
    return f"{name} {'nothing' if value is None else 'map'}"


def all_shown(values: Mapping[str, RuntimeValue]) -> str:
    """Return the names of several values, with their types and sizes."""
    return ", ".join(shown(name, value) for name, value in values.items())
