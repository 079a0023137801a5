"""A character language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from assembler.interface.language_model_inputs import Characters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.weights.layers import Linear, Recurrent
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True, eq=False)
class CharLmWeights:
    """A character language model without its decoder.

    Attributes:
        embedding: float32 [vocabulary, embedding].
        recurrent: One direction per layer, whichever way the model reads.
        projection: The optional output projection.
        characters: How a host makes its input.
        reference: Runs the loaded model itself.
    """

    sort: ClassVar[str] = "char_lm"

    embedding: Array
    recurrent: Recurrent
    projection: Linear | None
    characters: Characters
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `hidden_size`: the features of a state, after the projection if there is one."""
        size = self.projection.weight.shape[0] if self.projection else self.recurrent.output_size
        return {"hidden_size": size}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `characters` and return its `states`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class CharacterWeights:
    """What the parts before a language model take from it: how its input is made."""

    characters: Characters

    def facts(self) -> Mapping[str, int]:
        """Return nothing: no size depends on it."""
        return {}

    def run(self, _inputs: Arrays) -> Arrays | None:
        """Return nothing, because flair makes the input of its language models within a whole run."""
        return None


def characters_of(weights: Weights) -> CharacterWeights | None:
    """Return how the input of a language model is made, or `None` for weights that do not say it."""
    characters = getattr(weights, "characters", None)
    return CharacterWeights(characters) if isinstance(characters, Characters) else None
