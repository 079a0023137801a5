"""Likely values for inputs that are shapes, axes, counts or scales, for parts that refuse random values."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array, RuntimeValues
    from assembler.core.tensors import TensorType
    from assembler.spec.stack_spec import Spec

#: Common values of counts, axes and places.
_WHOLE = (1, 2, 0, 3, 4, -1, 8, 5)
#: The lengths of vectors that are likely to be scales.
_FEW = 8
#: The most sets of values that follow from the declared sizes of outputs.
_MOST_DECLARED = 24


def likely_values(spec: Spec, outputs: Sequence[TensorType], inputs: RuntimeValues) -> Iterator[dict[str, Array]]:
    """Yield values for the inputs that are counts, axes, places, shapes or scales. The others keep their values.

    Fixed sizes that a file declares for its outputs usually follow from some input: a shape is that of an output, a
    count is one of its sizes, and scales say how many times larger it is than an input.

    Args:
        spec: The spec, whose own values are kept.
        outputs: The types of the model's outputs.
        inputs: Random values for all inputs.
    """
    told = spec.proof.trials.inputs
    tensors = {name: value for name, value in inputs.items() if isinstance(value, np.ndarray)}
    free = {
        name: array
        for name, array in tensors.items()
        if name not in told and spec.inputs[name].range is None and _is_count(array)
    }
    if not free:
        return
    sizes = [dims for type_ in outputs if (dims := _fixed(type_))]
    yield from islice(_declared(free, tensors, sizes), _MOST_DECLARED)
    yield {name: np.arange(array.size).astype(array.dtype).reshape(array.shape) for name, array in free.items()}
    for whole in _WHOLE:
        yield {name: np.full_like(array, max(whole, 0) if array.dtype.kind == "u" else whole)
               for name, array in free.items()}  # fmt: skip


def _is_count(array: Array) -> bool:
    return array.dtype.kind in "iu" or (array.dtype.kind == "f" and array.ndim <= 1 and array.size <= _FEW)


def _fixed(type_: TensorType) -> tuple[int, ...]:
    dims = type_.dims or ()
    return tuple(dim for dim in dims if isinstance(dim, int)) if all(isinstance(dim, int) for dim in dims) else ()


def _declared(
    free: Mapping[str, Array], inputs: Mapping[str, Array], sizes: Sequence[tuple[int, ...]]
) -> Iterator[dict[str, Array]]:
    for dims in sizes:
        for number in dict.fromkeys((*dims, len(dims))):
            for shown in (dims, dims[::-1]):
                yield {name: _likely_value(array, shown, number, inputs) for name, array in free.items()}
                yield {
                    name: _likely_value(array, shown[-array.size or 1 :], number, inputs)
                    for name, array in free.items()
                }


def _likely_value(array: Array, dims: tuple[int, ...], number: int, inputs: Mapping[str, Array]) -> Array:
    """Return the values of one input: a shape, the factors of a shape, or a number."""
    if array.ndim == 1 and array.size == 2 * len(dims) and array.dtype.kind != "f":  # the padding around an input
        grown = [size - other for size, other in zip(dims, _base(dims, inputs), strict=True)]
        return np.array([*(each // 2 for each in grown), *(each - each // 2 for each in grown)], array.dtype)
    if array.ndim != 1 or array.size != len(dims):
        return np.full_like(array, number)
    if array.dtype.kind != "f":
        return np.array(dims, array.dtype)
    return np.array([size / other for size, other in zip(dims, _base(dims, inputs), strict=True)], array.dtype)


def _base(dims: tuple[int, ...], inputs: Mapping[str, Array]) -> tuple[int, ...]:
    """Return the shape of the first input with as many axes."""
    return next((each.shape for each in inputs.values() if each.ndim == len(dims) and 0 not in each.shape), dims)
