"""Arrays of any type and shape, and their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.generic]]"
Arrays: TypeAlias = "Mapping[str, Array]"
#: What a model takes or gives: a tensor, a sequence, a map from whole numbers or texts to numbers or texts, or nothing,
#: which an optional can be.
RuntimeValue: TypeAlias = (
    "Array | Sequence[RuntimeValue] | Mapping[int, float | str] | Mapping[str, float | str] | None"
)
RuntimeValues: TypeAlias = "Mapping[str, RuntimeValue]"


def buffer_of(array: Array) -> memoryview:
    """Return the bytes of an array in C order, without a copy if it already is in that order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
