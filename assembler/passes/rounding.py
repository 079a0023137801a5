"""Weights as whole numbers of 8 bits, and rounding in which later weights compensate the errors of earlier ones.

A processor without VNNI adds the products of two neighbours in a column in 16 bits, and two full weights overflow them
(ONNX Runtime's page on quantization: "when and why do I need to try U8U8"). The usual remedy, seven bits for all
weights, doubles the error for a few pairs. Here the scale of each column is the smallest at which none of its pairs can
overflow. The other factor is never below 0, so two weights of different signs cannot overflow: only weights of one sign
add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from assembler.core.arrays import Array
    from assembler.onnx_model.graph_reader import Floats

#: The largest whole number that a weight becomes, and that two of one sign add up to before they are rounded:
#: 255 (127 + 1) < 2**15.
LEVELS = 127
#: The amount added to the diagonal of the products of states, as a share of its mean, because the states are a sample.
_DAMPING = 0.1
#: Rows that are rounded before their errors are passed on in one product of matrices.
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
    """Return weights as int8 whose products with some states have a small error, and the scale of each column.

    With the errors `e` of a column and `H = L L'` the mean product of states, the error is `e' H e = |L' e|**2`. `L'`
    is upper triangular, so from the last row up each weight can compensate the errors below it in its line (GPTQ,
    https://arxiv.org/abs/2210.17323; in this form https://arxiv.org/abs/2507.18553).

    Args:
        weight: float32 [rows, columns].
        states: float32 [samples, rows]; they need not be many, nor exactly like later ones.
        levels: The largest whole number that a weight becomes.

    Returns:
        int8 [rows, columns] and float32 [columns].
    """
    products = states.T @ states / np.float32(len(states))
    mean = float(np.diag(products).mean()) or 1.0  # states that are all 0 say nothing
    products[np.diag_indices_from(products)] += np.float32(_DAMPING * mean)
    lower = np.linalg.cholesky(products.astype(np.float64))
    passed_on = (lower / np.diag(lower)).astype(np.float32)
    scale = _scales(weight, levels)
    values, errors = np.zeros_like(weight), np.zeros_like(weight)
    for begin in reversed(range(0, len(weight), _BLOCK)):
        end = min(begin + _BLOCK, len(weight))
        wanted = weight[begin:end] + passed_on[end:, begin:end].T @ errors[end:]
        for row in reversed(range(begin, end)):
            # not `@`: thousands of small products with threads wait for each other if other programs run
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
    least = levels * np.finfo(np.float32).tiny  # below, a scale would not be a normal number
    scale: Floats = np.where(largest > least, largest / levels, 1).astype(np.float32)
    return scale


def _room(values: Floats, row: int, levels: int) -> tuple[Floats | int, Floats | int]:
    """Return the least and the largest value that a row can have with its neighbour, which was rounded before it."""
    if row % 2 or row + 1 == len(values):
        return -levels, levels
    neighbour = values[row + 1]
    pair = levels + 1
    return np.maximum(-levels, -pair - np.minimum(neighbour, 0)), np.minimum(levels, pair - np.maximum(neighbour, 0))
