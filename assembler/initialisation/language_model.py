"""The spec of a language model alone."""

from __future__ import annotations

from assembler.initialisation.draft import Draft, Input
from assembler.initialisation.embeddings import language_model_part
from assembler.initialisation.heading import PINNED, Given, sources
from assembler.weights.language_models import CharLmWeights


def language_model_spec(given: Given, name: str) -> Draft:
    """Return the spec of a language model alone."""
    weights = given.opened.weights("tagger")
    if not isinstance(weights, CharLmWeights):
        raise TypeError(weights)
    return Draft(
        name=name,
        description="The hidden states of a character language model.",
        sources=sources([given]),
        pinned=PINNED,
        inputs=[Input("characters", ("characters", "sentences")), Input("characterLengths", ("sentences",))],
        parts=[language_model_part("lm", weights, "tagger", "characters", "characterLengths")],
        outputs={"states": "lm.states"},
    )
