"""Weights as whole numbers: no processor's product overflows, and states like the sample give a smaller error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assembler.passes.rounding import quantised, quantised_for

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 3))
WEIGHTS = SIZES.flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-4, 4, width=32) | st.sampled_from([0, 3.9, -3.9]))
)


def worst_sums(values: np.ndarray) -> tuple[int, int]:
    """Return the least and largest sum of two neighbouring products, with activations from 0 to 255."""
    even = len(values) // 2 * 2
    pairs = values[:even].astype(int).reshape(-1, 2, values.shape[1])
    return (
        255 * int(np.minimum(pairs, 0).sum(axis=1).min(initial=0)),
        255 * int(np.maximum(pairs, 0).sum(axis=1).max(initial=0)),
    )


@given(weight=WEIGHTS, seed=st.integers(0, 99))
def test_no_pair_of_weights_can_overflow_sixteen_bits(weight: np.ndarray, seed: int) -> None:
    states = np.tanh(np.random.default_rng(seed).normal(size=(9, len(weight)))).astype(np.float32)
    for values, _ in (quantised(weight), quantised_for(weight, states)):
        least, most = worst_sums(values)
        assert least >= -(2**15)
        assert most < 2**15
        assert np.abs(values.astype(int)).max() <= 127


def test_two_large_neighbours_of_one_sign_share_the_range_and_two_of_different_signs_do_not() -> None:
    weight = np.array([[9, 9], [9, -9], [1, 1]], np.float32)
    values, scale = quantised(weight)
    assert values[:2].tolist() == [[63, 127], [63, -127]]  # 63.5, which float32 has just below
    np.testing.assert_allclose(scale, [18 / 127, 9 / 127], rtol=1e-6)


def test_every_weight_is_rounded_to_the_nearest_without_states() -> None:
    weight = np.random.default_rng(0).normal(size=(3, 101, 40)).astype(np.float32)
    values, scale = quantised(weight)
    np.testing.assert_array_less(
        np.abs(values * scale[:, None, :] - weight), np.broadcast_to(scale[:, None] * 0.51, weight.shape)
    )


def test_a_column_of_zeros_is_quantised_to_zeros() -> None:
    for values, scale in (
        quantised(np.zeros((4, 2), np.float32)),
        quantised_for(np.zeros((4, 2), np.float32), np.zeros((3, 4), np.float32)),
    ):
        assert not values.any()
        assert scale.tolist() == [1, 1]


@pytest.mark.parametrize("rows", [63, 64, 65, 200])
def test_states_like_the_sample_give_less_than_half_of_the_error(rows: int) -> None:
    drawn = np.random.default_rng(rows)
    mixing = drawn.normal(size=(rows // 8, rows))
    states = np.tanh(drawn.normal(size=(2000, rows // 8)) @ mixing).astype(np.float32)
    weight = drawn.normal(size=(rows, 30)).astype(np.float32)
    errors = [
        np.square(states[1000:] @ (weight - values * scale)).mean()
        for values, scale in (quantised(weight), quantised_for(weight, states[:1000]))
    ]
    assert errors[1] < 0.5 * errors[0]
