"""Sequences, maps and optionals as arrays, with a description of how they belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Array, RuntimeValue, RuntimeValues

#: The deepest nesting of values, and the most values, that are accepted.
_DEEPEST, _MOST = 8, 1 << 20


def flat(values: RuntimeValues) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a description of each value, and the arrays that the descriptions name.

    Raises:
        TypeError: There are too many, or one is of a type that cannot be sent.
    """
    arrays: dict[str, Array] = {}
    return {name: _described(name, value, arrays, 0) for name, value in values.items()}, arrays


def _described(name: str, value: RuntimeValue, arrays: dict[str, Array], depth: int) -> Any:  # noqa: ANN401 - JSON
    if value is None:
        return None
    if depth == _DEEPEST or len(arrays) > _MOST:
        message = f"{name} holds too many values, or too deeply nested ones"
        raise TypeError(message)
    if isinstance(value, np.ndarray | np.generic):
        return _kept(name, np.asarray(value), arrays)
    if isinstance(value, dict):
        keys, items = [*value], [*value.values()]
        return {"map": [_kept(name, _column(column), arrays) for column in (keys, items)]}
    if isinstance(value, list | tuple):
        return {"list": [_described(name, each, arrays, depth + 1) for each in value]}
    message = f"{name} is of the type {type(value).__name__}, which cannot be compared"
    raise TypeError(message)


def _column(values: list[Any]) -> Array:
    return np.array(values, object if any(isinstance(each, str) for each in values) else None)


def _kept(name: str, array: Array, arrays: dict[str, Array]) -> str:
    key = name if name not in arrays else f"{name}#{len(arrays)}"
    while key in arrays:
        key += "#"
    arrays[key] = array
    return key


def whole(described: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, RuntimeValue]:
    """Return what was described.

    Raises:
        LookupError, TypeError: It names an array that is not there, or it is not such a description.
    """
    return {name: _value(each, arrays, 0) for name, each in described.items()}


def _value(described: Any, arrays: Mapping[str, Array], depth: int) -> RuntimeValue:  # noqa: ANN401 - JSON
    if described is None:
        return None
    if isinstance(described, str):
        return arrays[described]
    if depth == _DEEPEST or not isinstance(described, dict):
        message = "the description of a value is not one"
        raise TypeError(message)
    if "map" in described:
        keys, items = (arrays[key].tolist() for key in described["map"])
        return dict(zip(keys, items, strict=False))
    return [_value(each, arrays, depth + 1) for each in described["list"]]
