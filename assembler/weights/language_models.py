"""A character language model, and how a host makes its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.weights.layers import Linear, Recurrent
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True)
class Characters:
    """How a host makes a language model's input, which decides whether the numbers match (flair's LM 110, TK 795).

    Attributes:
        dictionary: The characters by id. Only items of one code point can match; unknown ones have id 0.
        direction: `forward`, or `backward` for models that read the text reversed by code point.
        start_marker: Stands before the text, any length.
        end_marker: Stands after it.
        with_whitespace: Whether the state is taken behind a token (its following space) or at its last character.
        lowercase: Whether the text is lower-cased for the ids (offsets come from the original text).
        padding: The id that fills the shorter texts of a batch.
        tokenized: Whether the tokens are joined by one space each, or by the spaces that are behind them.
    """

    dictionary: tuple[str, ...]
    direction: Literal["forward", "backward"]
    start_marker: str
    end_marker: str
    with_whitespace: bool
    lowercase: bool
    padding: int
    tokenized: bool = True


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
