"""Lowers recurrent layers to ONNX's `LSTM`, `GRU` and `RNN` operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from assembler.core.arrays import Array
    from assembler.onnx_model.emitter import Emitter
    from assembler.weights.layers import Cell, Linear, Recurrent, RecurrentDirection

# torch's gate order to ONNX's. LSTM: i f g o to i o f c. GRU: r z n to z r h.
# https://onnx.ai/onnx/operators/onnx__LSTM.html, https://onnx.ai/onnx/operators/onnx__GRU.html
_GATES: dict[Cell, tuple[int, ...]] = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def emit_recurrent(emit: Emitter, recurrent: Recurrent, tensor: str, lengths: str, name: str) -> str:
    """Emit the layers one after another.

    Args:
        emit: The emitter of the part.
        recurrent: The layers.
        tensor: float32 [positions, batch, in].
        lengths: int32 [batch]; the reverse direction begins at each row's own end, and positions after it are 0.
        name: The prefix of the operators' names.

    Returns:
        float32 [positions, batch, directions * hidden].
    """
    for index, directions in enumerate(recurrent.layers):
        layer = f"{name}_{index}"
        states = _emit_layer(emit, recurrent, directions, (tensor, lengths), layer)
        if len(directions) == 1:
            tensor = emit.op("Squeeze", [states, emit.integers(f"{layer}/direction_axis", [1])], f"{layer}/squeeze")
        else:
            last = emit.op("Transpose", [states], f"{layer}/transpose", perm=[0, 2, 1, 3])
            tensor = emit.op("Reshape", [last, emit.integers(f"{layer}/shape", [0, 0, -1])], f"{layer}/join")
    return tensor


def emit_linear(emit: Emitter, linear: Linear, tensor: str, name: str) -> str:
    """Emit `tensor @ weight.T + bias` over the last axis."""
    product = emit.op("MatMul", [tensor, emit.initializer(f"{name}/weight", linear.weight.T)], f"{name}/matmul")
    return emit.op("Add", [product, emit.initializer(f"{name}/bias", linear.bias)], f"{name}/add")


def _emit_layer(
    emit: Emitter,
    recurrent: Recurrent,
    directions: tuple[RecurrentDirection, ...],
    inputs: tuple[str, str],
    name: str,
) -> str:
    tensor, lengths = inputs
    cell = recurrent.cell
    weights = [
        emit.initializer(f"{name}/W", _stack([_reorder(d.input_weight, cell) for d in directions])),
        emit.initializer(f"{name}/R", _stack([_reorder(d.recurrent_weight, cell) for d in directions])),
        emit.initializer(
            f"{name}/B",
            _stack(
                [np.concatenate([_reorder(d.input_bias, cell), _reorder(d.recurrent_bias, cell)]) for d in directions]
            ),
        ),
    ]
    attributes: dict[str, object] = {
        "hidden_size": recurrent.hidden_size,
        "direction": "forward" if len(directions) == 1 else "bidirectional",
    }
    if cell == "GRU":
        attributes["linear_before_reset"] = 1  # torch multiplies by the reset gate after the recurrent product
    return emit.op(cell, [tensor, *weights, lengths], name, **attributes)


def _reorder(array: Array, cell: Cell) -> Array:
    gates = _GATES[cell]
    return np.concatenate([np.split(array, len(gates))[gate] for gate in gates])


def _stack(arrays: list[Array]) -> Array:
    return arrays[0][np.newaxis] if len(arrays) == 1 else np.stack(arrays)
