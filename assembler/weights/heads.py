"""The layers of a tagger after its embeddings, and what decodes their emissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.weights.layers import Linear, Recurrent


@dataclass(frozen=True, slots=True, eq=False)
class TaggerHeadWeights:
    """A tagger's layers behind its embeddings.

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
        reading: The class of flair's whose rules make labels and spans of the predicted classes.
    """

    embedding_size: int
    reprojection: Linear | None
    recurrent: Recurrent | None
    linear: Linear
    labels: tuple[str, ...]
    label_type: str
    spans: bool
    has_crf: bool
    reference: Callable[[Arrays], Arrays]
    reading: Literal["sequence_tagger", "token_classifier"] = "sequence_tagger"

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`, `label_count`, and `has_crf` as 0 or 1."""
        return {"embedding_size": self.embedding_size, "label_count": len(self.labels), "has_crf": int(self.has_crf)}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `embeddings` and `lengths` and give `emissions`, `scores`, `prediction`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class CrfWeights:
    """The conditional random field behind a tagger's emissions.

    Attributes:
        transitions: float32 [to, from].
        start: The class id of flair's START.
        stop: The class id of its STOP.
        reference: Runs the loaded model itself.
    """

    transitions: Array
    start: int
    stop: int
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `label_count`."""
        return {"label_count": self.transitions.shape[0]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `emissions` and `lengths` and give `scores` and `prediction`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class LabelWeights:
    """What the parts behind a head take of it: its labels by class id."""

    labels: tuple[str, ...]

    def facts(self) -> Mapping[str, int]:
        """Return nothing: no size depends on it."""
        return {}

    def run(self, _inputs: Arrays) -> Arrays | None:
        """Return nothing: flair decodes inside of a whole run."""
        return None
