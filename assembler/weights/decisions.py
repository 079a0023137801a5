"""The decision of a part: labels of tokens, or labels of sentences, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from assembler.interface.examples import SENTENCES, Texts
from assembler.interface.prompts import NO_PROMPT, Prompt

if TYPE_CHECKING:
    from assembler.interface.label_pairs import LabelPairs
    from assembler.weights.protocol import Weights

#: The rules by which spans are read from labels, by the class of flair's that has them.
Reading: TypeAlias = Literal["sequence_tagger", "token_classifier"]


@dataclass(frozen=True, slots=True)
class TokenLabels:
    """A label for each token.

    Attributes:
        labels: The labels by class id.
        label_type: What the labels are, such as `upos`.
        spans: Whether they encode spans.
        skipped: The labels that say that a token has none.
        reading: The rule by which spans are read from them.
        prompt: What is put before each sentence.
        label_pairs: How labels are written beside each sentence, by models that are asked for any; else `None`.
    """

    labels: tuple[str, ...]
    label_type: str
    spans: bool = False
    skipped: tuple[str, ...] = ("O",)
    reading: Reading = "sequence_tagger"
    prompt: Prompt = NO_PROMPT
    label_pairs: LabelPairs | None = None

    @property
    def texts(self) -> Texts:
        """What its examples consist of: one sentence each."""
        return SENTENCES


@dataclass(frozen=True, slots=True)
class SentenceLabels:
    """One label for each sentence, or several; or for each example of several texts.

    Attributes:
        labels: The labels by class id.
        label_type: What the labels are, such as `sentiment`.
        multi_label: Whether each class has a probability of its own, or all share one.
        thresholds: For each class what its probability must exceed, where there are several labels.
        skipped: The labels that say that a sentence has none.
        texts: What its examples consist of.
    """

    labels: tuple[str, ...]
    label_type: str
    multi_label: bool = False
    thresholds: tuple[float, ...] = ()
    skipped: tuple[str, ...] = ("O",)
    texts: Texts = SENTENCES


@dataclass(frozen=True, slots=True)
class SentenceNumbers:
    """A number for each sentence, or for each example of several texts.

    Attributes:
        label_type: What the numbers are, such as `rating`.
        texts: What its examples consist of.
    """

    label_type: str
    texts: Texts = SENTENCES

    @property
    def labels(self) -> tuple[str, ...]:
        """No labels: there are no classes."""
        return ()


#: What a part can decide on.
Decisions: TypeAlias = TokenLabels | SentenceLabels | SentenceNumbers


def decisions_of(weights: Weights) -> Decisions | None:
    """Return the decision of the part with these weights, or `None` if it decides nothing."""
    decisions = getattr(weights, "decisions", None)
    return decisions if isinstance(decisions, Decisions) else None


def prompt_of(decisions: object) -> Prompt:
    """Return what is put before each sentence for a decision."""
    return decisions.prompt if isinstance(decisions, TokenLabels) else NO_PROMPT


def label_pairs_of(decisions: object) -> LabelPairs | None:
    """Return how labels are written beside each sentence for a decision."""
    return decisions.label_pairs if isinstance(decisions, TokenLabels) else None
