"""The work that a tagger always needs, however it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.weights.heads import TaggerHeadWeights
from assembler.weights.language_models import CharLmWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.sources.opening import OpenSources

    Sentences = Sequence[list[str]]


def widest(sources: OpenSources) -> int:
    """Return the hidden states of the widest language model, whose products have the shape of the peak's."""
    sizes = [each.recurrent.hidden_size for each in sources.weights.values() if isinstance(each, CharLmWeights)]
    return max(sizes, default=1024)


def operations(sources: OpenSources, sentences: Sentences) -> float:
    """Return the operations that every lowering needs: the recurrent products, and those of the head's layers.

    The input's product of a language model is not among them, nor the reprojection: both can be folded.
    """
    characters = sum(len(" ".join(tokens)) + 2 for tokens in sentences)
    tokens = sum(map(len, sentences))
    total = 0.0
    for weights in sources.weights.values():
        if isinstance(weights, CharLmWeights):
            layers = [direction for layer in weights.recurrent.layers for direction in layer]
            needed = sum(each.recurrent_weight.size for each in layers)
            total += 2.0 * characters * (needed + sum(each.input_weight.size for each in layers[1:]))
        elif isinstance(weights, TaggerHeadWeights) and weights.recurrent:
            layers = [direction for layer in weights.recurrent.layers for direction in layer]
            total += 2.0 * tokens * sum(each.input_weight.size + each.recurrent_weight.size for each in layers)
    return total
