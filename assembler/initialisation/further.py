"""The outputs that a spec can have beside labels and scores, for hosts that ask for more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Further:
    """Outputs beside labels and scores.

    Attributes:
        probabilities: Whether the model has the probabilities of all classes. A classifier of sentences always has.
        embeddings: Whether it has the vectors that its heads read.
    """

    probabilities: bool = False
    embeddings: bool = False

    def of_tokens(self, base: str, decoder: str) -> dict[str, str]:
        """Return the outputs of a tagger, each with the port that it comes from.

        Args:
            base: The prefix of its parts and outputs.
            decoder: The part that decides on its labels.
        """
        outputs = {}
        if self.probabilities:
            outputs[f"{base}class_probabilities"] = f"{decoder}.class_probabilities"
        return outputs | self.of_head(base)

    def of_head(self, base: str) -> dict[str, str]:
        """Return the outputs of a head, of tokens or of sentences, each with the port that it comes from."""
        return {f"{base}embeddings": f"{base}head.embeddings"} if self.embeddings else {}


#: Labels and scores alone.
USUAL = Further()
