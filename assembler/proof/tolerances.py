"""How far two tensors may differ: an absolute part, and a share of each value that depends on its type.

A sum of float32 is right to some share of its size, so that no absolute number fits outputs of 1e-3 and of 1e6. The
shares are those of `torch.testing.assert_close` (torch 2.13); of types that it does not know, a step of the type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from assembler.core.arrays import Array

#: The share of a value by which it may differ, by element type. Whole numbers and texts may not differ at all.
RELATIVE = {
    "float64": 1e-7,
    "float32": 1.3e-6,
    "float16": 1e-3,
    "bfloat16": 1.6e-2,
    "float8_e4m3fn": 0.125,
    "float8_e4m3fnuz": 0.125,
    "float8_e5m2": 0.25,
    "float8_e5m2fnuz": 0.25,
}
#: The least absolute part: about one, a float16 has no finer step, whatever the tolerance of the spec.
_LEAST = {"float16": 1e-3, "bfloat16": 1e-2, "float8_e4m3fn": 0.125, "float8_e5m2": 0.25}


def allowed(source: Array, within: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return how far each value of a tensor may be from the source's.

    Args:
        source: The source's tensor.
        within: The absolute part for float32 and float64, as the spec has it.
    """
    name = source.dtype.name
    if name not in RELATIVE:
        return np.zeros(source.shape, np.float64)
    values = source.astype(np.float64)
    size = np.where(np.isfinite(values), np.abs(values), 0.0)
    return np.asarray(max(within, _LEAST.get(name, 0.0)) + RELATIVE[name] * size)


def shown(within: float, dtypes: frozenset[str] | set[str]) -> str:
    """Return a tolerance in words, for tensors of some element types."""
    floats = sorted(dtypes & set(RELATIVE), key=RELATIVE.__getitem__) or ["float32"]
    worst = floats[-1]
    return f"{max(within, _LEAST.get(worst, 0.0)):.0e} and {RELATIVE[worst]:.1e} of the value"
