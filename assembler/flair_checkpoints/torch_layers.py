"""Reads torch's layers as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from assembler.weights.layers import Linear, Recurrent, RecurrentDirection

if TYPE_CHECKING:
    from torch import Tensor

    from assembler.core.arrays import Array, Arrays
    from assembler.weights.layers import Cell

_CELLS: dict[type[torch.nn.Module], Cell] = {torch.nn.LSTM: "LSTM", torch.nn.GRU: "GRU", torch.nn.RNN: "RNN"}


def array_of(tensor: Tensor) -> Array:
    """Return a view on a tensor."""
    array: Array = tensor.detach().numpy()
    return array


def linear_of(layer: torch.nn.Linear) -> Linear:
    """Return a linear layer with its bias."""
    return Linear(array_of(layer.weight), array_of(layer.bias))


def recurrent_of(module: torch.nn.RNNBase) -> Recurrent:
    """Return recurrent layers."""
    suffixes = ("", "_reverse") if module.bidirectional else ("",)
    return Recurrent(
        cell=_CELLS[type(module)],
        hidden_size=module.hidden_size,
        layers=tuple(
            tuple(
                RecurrentDirection(
                    *(
                        array_of(getattr(module, f"{name}_l{layer}{suffix}"))
                        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                    )
                )
                for suffix in suffixes
            )
            for layer in range(module.num_layers)
        ),
    )


def inside_of(lengths: Tensor, tokens: int) -> Tensor:
    """Return where there is a token, bool [sentences, tokens, 1]."""
    return (torch.arange(tokens) < lengths[:, None])[..., None]


def decided(emissions: Tensor, inside: Tensor) -> Arrays:
    """Return what softmax and its maximum make of emissions [sentences, tokens, labels]."""
    probabilities = torch.softmax(emissions, dim=-1)
    scores, prediction = torch.max(probabilities, dim=-1)
    return {
        "scores": array_of(scores),
        "prediction": array_of(prediction),
        "emissions": array_of(emissions),
        "class_probabilities": array_of(torch.where(inside, probabilities, 0)),
    }
