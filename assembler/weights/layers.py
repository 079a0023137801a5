"""Layers as plain arrays, in torch's own layouts, whatever file they came from.

Arrays are views on the loaded model wherever possible, so that a stack is not in memory twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from assembler.core.arrays import Array

Cell: TypeAlias = Literal["LSTM", "GRU", "RNN"]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear layer: `x @ weight.T + bias`.

    Attributes:
        weight: float32 [out, in].
        bias: float32 [out].
    """

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True, eq=False)
class RecurrentDirection:
    """One direction of one recurrent layer, in torch's gate order (LSTM: i f g o, GRU: r z n).

    Attributes:
        input_weight: float32 [gates * hidden, in].
        recurrent_weight: float32 [gates * hidden, hidden].
        input_bias: float32 [gates * hidden].
        recurrent_bias: float32 [gates * hidden].
    """

    input_weight: Array
    recurrent_weight: Array
    input_bias: Array
    recurrent_bias: Array


@dataclass(frozen=True, slots=True, eq=False)
class Recurrent:
    """A stack of recurrent layers.

    Attributes:
        cell: The cell of every layer. `RNN` is torch's with tanh.
        hidden_size: Hidden states of one direction.
        layers: For each layer its directions: one, or forward and reverse.
    """

    cell: Cell
    hidden_size: int
    layers: tuple[tuple[RecurrentDirection, ...], ...]

    @property
    def output_size(self) -> int:
        """Features that the last layer outputs per position."""
        return self.hidden_size * len(self.layers[-1])
