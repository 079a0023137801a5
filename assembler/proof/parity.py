"""Compares the tags and scores of an assembled tagger with those of its source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The batch shapes in which a model is compared: one by one, an odd number, flair's own 32.
BATCH_SIZES = (1, 7, 32)


class TaggedTokens(Protocol):
    """A label and a score for each token of a sentence."""

    @property
    def labels(self) -> Sequence[str]:
        """The labels."""

    @property
    def scores(self) -> Sequence[float]:
        """The scores."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A token on which the model and the source disagree.

    Attributes:
        sentence: The sentence.
        token: The token's place in it, or the class where sentences are labelled.
        batch_size: The size of the batches.
        source: The source's label and score.
        model: The model's.
        by_sentence: Whether sentences are labelled.
    """

    sentence: tuple[str, ...]
    token: int
    batch_size: int
    source: tuple[str, float]
    model: tuple[str, float]
    by_sentence: bool = False

    def __str__(self) -> str:
        """Return one line with the figures on both sides."""
        text = " ".join(self.sentence)
        text = text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - what fits a line
        (theirs, their_score), (ours, our_score) = self.source, self.model
        place = f"class {self.token}" if self.by_sentence else f"token {self.token} ({self.sentence[self.token]!r})"
        return (
            f"batches of {self.batch_size}, {place} of {text!r}: "
            f"the source says {theirs} {their_score:.6f}, the model {ours} {our_score:.6f}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        sentences: How many were compared.
        tokens: How many tokens they have.
        tags_changed: How many tokens got another label, over all batches.
        largest: The largest difference of a score.
        within: The tolerance.
        worst: The tokens that differ most, changed labels first.
        compared: Tokens compared, over all batches.
    """

    sentences: int
    tokens: int
    tags_changed: int
    largest: float
    within: float
    worst: tuple[Difference, ...]
    compared: int = 0

    @property
    def equal(self) -> bool:
        """Whether every tag is equal and every score within the tolerance. NaN never is."""
        return self.tags_changed == 0 and self.largest <= self.within


def compare(
    sentences: Sequence[Sequence[str]],
    source: Sequence[TaggedTokens],
    model: Sequence[tuple[int, Sequence[TaggedTokens]]],
    within: float,
    *,
    by_sentence: bool = False,
) -> Comparison:
    """Compare the results of a model with those of its source.

    Args:
        sentences: The sentences.
        source: The source's result for each.
        model: For each batch size the model's result for each sentence.
        within: The largest difference of a score that counts as equal.
        by_sentence: Whether sentences are labelled: then a label and a score for each class take the place of a
            token's.
    """
    changed, largest, worst = 0, 0.0, []
    for batch_size, results in model:
        for tokens, theirs, ours in zip(sentences, source, results, strict=True):
            pairs = zip(theirs.labels, theirs.scores, ours.labels, ours.scores, strict=True)
            kept = [token for token in tokens if token]
            for index, (label, score, our_label, our_score) in enumerate(pairs):
                gap = abs(score - our_score) / max(1.0, abs(score))  # a number may be large, a probability is not
                gap = math.inf if math.isnan(gap) else gap
                changed += label != our_label
                largest = max(largest, gap)
                if label != our_label or gap > within:
                    sides = (label, score), (our_label, our_score)
                    difference = Difference(tuple(kept), index, batch_size, *sides, by_sentence)
                    worst.append((label == our_label, -gap, difference))
    worst.sort(key=lambda entry: entry[:2])
    return Comparison(
        sentences=len(sentences),
        tokens=sum(len(result.labels) for result in source),
        tags_changed=changed,
        largest=largest,
        within=within,
        worst=tuple(difference for *_, difference in worst[:5]),
        compared=sum(len(result.labels) for result in source) * len(model),
    )
