"""What parts beside a language model or a head take of its weights: the dictionary, the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.weights.heads import LabelWeights, TaggerHeadWeights
from assembler.weights.language_models import CharacterWeights, CharLmWeights

if TYPE_CHECKING:
    from assembler.weights.protocol import Weights

#: The kind of part whose weights each of these kinds names.
VIEWS = {
    "text_characters": "char_lm",
    "text_indices": "char_lm",
    "labels": "tagger_head",
    "spans": "tagger_head",
}


def view_for(kind: str, weights: Weights) -> Weights | None:
    """Return what a part of a kind takes of the weights that it names, or `None` if it takes them as they are."""
    wanted = VIEWS.get(kind)
    if wanted == "char_lm" and isinstance(weights, CharLmWeights):
        return CharacterWeights(weights.characters)
    if wanted == "tagger_head" and isinstance(weights, TaggerHeadWeights):
        return LabelWeights(weights.labels)
    return None
