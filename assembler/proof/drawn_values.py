"""Random values of one input: a tensor, a sequence of tensors, or an optional."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.element_types import numpy_type
from assembler.wiring.trial_checks import bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.core.arrays import Array, RuntimeValue
    from assembler.spec.stack_spec import Drawn, Input

#: The shapes of the tensors of a sequence whose tensors the spec gives no shape: of equal ones, of one with another
#: number of axes, of unequal ones. An optional holds the first of them.
_SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (((2, 3), (2, 3), (2, 3)), ((4,),), ((2, 3), (1, 3)))
#: With these sets of inputs an optional is nothing.
_NOTHING = 2


def drawn_value(
    entry: Input, shape: tuple[int, ...], case: int, drawn: Drawn | None, edges: tuple[float, ...]
) -> RuntimeValue:
    """Return values that are the same on every day, seeded by the input's name.

    Args:
        entry: The input.
        shape: The shape of the tensor, or of each tensor in it.
        case: The number of the set of inputs. Sequences have three tensors, one or two by it; every third optional is
            nothing.
        drawn: What the spec says of the values.
        edges: Values that are put among the first.
    """
    if entry.type.is_tensor:
        return _random(entry, shape, str(case), drawn, edges)
    kind, turn = str(entry.type.dtype), case % len(_SHAPES)
    if kind.startswith("optional(") and turn == _NOTHING:
        return None
    shapes: Sequence[tuple[int, ...]] = _SHAPES[turn]
    if entry.type.dims is not None:
        shapes = [shape] * len(shapes)
    # with the same first values, small tensors would be equal, and their order in a sequence would not show
    arrays = [
        _random(entry, each, f"{case}:{place}", drawn, () if place else edges) for place, each in enumerate(shapes)
    ]
    return arrays if "sequence(" in kind else arrays[0]


def _random(entry: Input, shape: tuple[int, ...], case: str, drawn: Drawn | None, edges: tuple[float, ...]) -> Array:
    seed = int(hashlib.sha256(f"{entry.name}:{case}".encode()).hexdigest()[:16], 16)
    draw = np.random.default_rng(seed)
    dtype = entry.type.element or "float32"
    if drawn is not None and drawn.values is not None:
        return (
            np.array(drawn.values).astype(numpy_type(dtype))[draw.integers(0, len(drawn.values), shape)].reshape(shape)
        )
    said = (drawn.range if drawn is not None else None) or entry.range
    low, high = said or (0, 1)
    if dtype == "string":
        numbers = draw.integers(int(low), int(high), shape, endpoint=True)
        return np.array([f"text {value}" for value in numbers.flat], object).reshape(shape)
    if "float" in dtype:
        values = draw.uniform(low, high, shape) if said else draw.standard_normal(shape)
        if not said:
            values.flat[: len(edges)] = edges[: values.size]
        return values.clip(*bounds(dtype)).astype(numpy_type(dtype))
    width = np.uint64 if dtype == "uint64" else np.int64
    return draw.integers(int(low), int(high), shape, dtype=width, endpoint=True).astype(numpy_type(dtype))
