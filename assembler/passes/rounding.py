"""Weights as whole numbers of 8 bits, and rounding in which later weights make up for the errors of earlier ones.

A processor without VNNI adds the products of two neighbours in a column in 16 bits, which two full weights overflow
(ONNX Runtime's page on quantization: "when and why do I need to try U8U8"). The usual remedy, seven bits for all
weights, doubles the error for the sake of few pairs. Here the scale of each column is the smallest at which no pair of
it can overflow. What it is multiplied with is never below 0, so two weights of different signs cannot: only what a pair
has above 0, or below it, adds up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from assembler.core.arrays import Array
    from assembler.onnx_model.graph import Floats

#: The largest whole number that a weight becomes, and that two of one sign add up to before they are rounded:
#: 255 (127 + 1) < 2**15.
LEVELS = 127
#: What is added to the diagonal of the products of states, as a share of its mean: what is known of states is a sample.
_DAMPING = 0.1
#: Rows that are rounded before their errors are handed on in one product of matrices.
_BLOCK = 64


def quantised(weight: Floats, levels: int = LEVELS) -> tuple[Array, Floats]:
    """Return weights as int8, each rounded to the nearest, and the scale of each column.

    Args:
        weight: float32 [..., rows, columns]; the product adds up over the rows.
        levels: The largest whole number that a weight becomes.

    Returns:
        int8 of the same shape, and float32 [..., columns].
    """
    scale = _scales(weight, levels)
    return np.rint(weight / scale[..., np.newaxis, :]).astype(np.int8), scale


def quantised_for(weight: Floats, states: Floats, levels: int = LEVELS) -> tuple[Array, Floats]:
    """Return weights as int8 that give the products of some states with a small error, and the scale of each column.

    With the errors `e` of a column and `H = L L'` the mean product of states, what is wrong is `e' H e = |L' e|**2`.
    `L'` is upper triangular, so from the last row up each weight can take back what the errors below it add to its line
    (GPTQ, https://arxiv.org/abs/2210.17323; in this form https://arxiv.org/abs/2507.18553).

    Args:
        weight: float32 [rows, columns].
        states: float32 [samples, rows]; they need not be many, nor quite like those to come.
        levels: The largest whole number that a weight becomes.

    Returns:
        int8 [rows, columns] and float32 [columns].
    """
    products = states.T @ states / np.float32(len(states))
    mean = float(np.diag(products).mean()) or 1.0  # of states that are all 0 nothing is known
    products[np.diag_indices_from(products)] += np.float32(_DAMPING * mean)
    lower = np.linalg.cholesky(products.astype(np.float64))
    passed_on = (lower / np.diag(lower)).astype(np.float32)
    scale = _scales(weight, levels)
    values, errors = np.zeros_like(weight), np.zeros_like(weight)
    for begin in reversed(range(0, len(weight), _BLOCK)):
        end = min(begin + _BLOCK, len(weight))
        wanted = weight[begin:end] + passed_on[end:, begin:end].T @ errors[end:]
        for row in reversed(range(begin, end)):
            # not `@`: thousands of small products with threads wait for each other where other programs run
            target = wanted[row - begin] + np.einsum("i,ij", passed_on[row + 1 : end, row], errors[row + 1 : end])
            least, most = _room(values, row, levels)
            values[row] = np.clip(np.rint(target / scale), least, most)
            errors[row] = weight[row] - values[row] * scale
    return values.astype(np.int8), scale


def _scales(weight: Floats, levels: int) -> Floats:
    """Return the smallest scale of each column at which its weights and its pairs fit."""
    largest = np.abs(weight).max(axis=-2)
    even = weight.shape[-2] // 2 * 2
    if even:
        first, second = weight[..., 0:even:2, :], weight[..., 1:even:2, :]
        above = np.maximum(first, 0) + np.maximum(second, 0)
        below = np.minimum(first, 0) + np.minimum(second, 0)
        largest = np.maximum(largest, np.maximum(above.max(axis=-2), -below.min(axis=-2)))
    least = levels * np.finfo(np.float32).tiny  # below, a scale would be no normal number
    scale: Floats = np.where(largest > least, largest / levels, 1).astype(np.float32)
    return scale


def _room(values: Floats, row: int, levels: int) -> tuple[Floats | int, Floats | int]:
    """Return the least and the largest value that a row can have beside its neighbour, which was rounded before it."""
    if row % 2 or row + 1 == len(values):
        return -levels, levels
    neighbour = values[row + 1]
    pair = levels + 1
    return np.maximum(-levels, -pair - np.minimum(neighbour, 0)), np.minimum(levels, pair - np.maximum(neighbour, 0))
