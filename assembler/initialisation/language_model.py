"""The spec of a language model alone."""

from __future__ import annotations

from assembler.initialisation.embeddings import language_model_lines
from assembler.initialisation.heading import Given, head_lines, input_lines
from assembler.weights.language_models import CharLmWeights


def language_model_spec(given: Given, name: str) -> str:
    """Return the spec of a language model alone."""
    weights = given.opened.weights("tagger")
    if not isinstance(weights, CharLmWeights):
        raise TypeError(weights)
    lines = head_lines([given], name, "The hidden states of a character language model.")
    lines += [*input_lines({"characters": "[characters, sentences]", "characterLengths": "[sentences]"}), "", "graph:"]
    lines += language_model_lines("lm", weights, "tagger", "characters", "characterLengths")
    lines += ["", "outputs:", "  states: lm.states"]
    return "\n".join(lines) + "\n"
