"""The layers of a tagger after its embeddings, and the CRF that decodes their emissions.

ST is flair 0.15.1's models/sequence_tagger_model.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from assembler.interface.prompts import NO_PROMPT, Prompt
from assembler.weights.decisions import TokenLabels, decisions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.interface.label_pairs import LabelPairs
    from assembler.weights.decisions import Reading
    from assembler.weights.layers import Linear, Recurrent
    from assembler.weights.protocol import Weights

#: The predicted classes for which flair writes no label, by flair's class (ST 551-554, nn/model.py 871 and 898).
_SKIPPED: Mapping[Reading, tuple[str, ...]] = MappingProxyType(
    {"sequence_tagger": ("O", "_"), "token_classifier": ("O",)}
)


@dataclass(frozen=True, slots=True, eq=False)
class TaggerHeadWeights:
    """A tagger's layers after its embeddings.

    Attributes:
        embedding_size: Features of an embedding.
        reprojection: The optional linear layer in front (flair's `embedding2nn`).
        recurrent: The optional recurrent layers, two directions each.
        linear: The map to the labels.
        labels: The labels by class id.
        label_type: What the labels are, such as `upos`.
        spans: Whether the labels encode spans (flair's ST 892).
        has_crf: Whether a CRF decodes the emissions, instead of softmax and its maximum.
        reference: Runs the loaded model itself.
        reading: The flair class whose rules make labels and spans from the predicted classes.
        prompt: What the model puts before each sentence.
        label_pairs: How it writes labels beside each sentence; `None` for most models.
    """

    sort: ClassVar[str] = "tagger_head"

    embedding_size: int
    reprojection: Linear | None
    recurrent: Recurrent | None
    linear: Linear
    labels: tuple[str, ...]
    label_type: str
    spans: bool
    has_crf: bool
    reference: Callable[[Arrays], Arrays]
    reading: Reading = "sequence_tagger"
    prompt: Prompt = NO_PROMPT
    label_pairs: LabelPairs | None = None

    @property
    def decisions(self) -> TokenLabels:
        """The decision from its emissions, by itself or by a CRF."""
        skipped = _SKIPPED[self.reading]
        own = self.prompt, self.label_pairs
        return TokenLabels(self.labels, self.label_type, self.spans, skipped, self.reading, *own)

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`, `label_count`, and `has_crf` as 0 or 1."""
        return {"embedding_size": self.embedding_size, "label_count": len(self.labels), "has_crf": int(self.has_crf)}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `embeddings` and `lengths` and return `emissions`, `scores`, `prediction`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class CrfWeights:
    """The conditional random field after a tagger's emissions.

    Attributes:
        transitions: float32 [to, from].
        start: The class id of flair's START.
        stop: The class id of its STOP.
        reference: Runs the loaded model itself.
    """

    sort: ClassVar[str] = "crf"

    transitions: Array
    start: int
    stop: int
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `label_count`."""
        return {"label_count": self.transitions.shape[0]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `emissions` and `lengths` and return `scores` and `prediction`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class LabelWeights:
    """What the parts after a head take from it: its labels by class id."""

    labels: tuple[str, ...]

    def facts(self) -> Mapping[str, int]:
        """Return nothing: no size depends on it."""
        return {}

    def run(self, _inputs: Arrays) -> Arrays | None:
        """Return nothing: flair decodes inside of a whole run."""
        return None


def labels_of(weights: Weights) -> LabelWeights | None:
    """Return the labels of a part that decides on labels of tokens, or `None` for another part."""
    decisions = decisions_of(weights)
    return LabelWeights(decisions.labels) if isinstance(decisions, TokenLabels) else None
