"""A character language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from assembler.interface.language_models import Characters

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
        """Return `hidden_size`: the features of a state, after the projection where there is one."""
        size = self.projection.weight.shape[0] if self.projection else self.recurrent.output_size
        return {"hidden_size": size}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `characters` and give its `states`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class CharacterWeights:
    """What the parts before a language model take of it: how its input is made."""

    characters: Characters

    def facts(self) -> Mapping[str, int]:
        """Return nothing: no size depends on it."""
        return {}

    def run(self, _inputs: Arrays) -> Arrays | None:
        """Return nothing: flair makes the input of its language models inside of a whole run."""
        return None


def characters_of(weights: Weights) -> CharacterWeights | None:
    """Return how the input of a language model is made, or `None` of weights that say nothing of it."""
    characters = getattr(weights, "characters", None)
    return CharacterWeights(characters) if isinstance(characters, Characters) else None
