"""What a spec may tell a proof to try is within the values of the input's type."""

from __future__ import annotations

import numpy as np
import pytest

from assembler.wiring.trial_checks import bounds


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_whole_numbers_have_the_bounds_of_their_type(dtype: str) -> None:
    limits = np.iinfo(dtype)
    assert bounds(dtype) == (limits.min, limits.max)
    assert bounds("bool") == (0, 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_have_the_bounds_of_their_type(dtype: str) -> None:
    largest = float(np.finfo(dtype).max)
    assert bounds(dtype) == pytest.approx((-largest, largest), rel=1e-6)
