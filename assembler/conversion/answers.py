"""What a loaded checkpoint computes on some sentences, in words that travel between processes, and how it is compared.

Both sides run flair's own models, the one on the objects of the old file, the other on those of the new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.forms.opened import Classified

#: The labels of one sentence, and its scores.
_Result: TypeAlias = "tuple[tuple[str, ...], tuple[float, ...]]"
#: How many sentences run at once.
_BATCH = 8
#: Both processes make the same sums. Their kernels still depend on where memory lies: a CRF's scores moved by 2e-6.
_CLOSE = 1e-4


@dataclass(frozen=True, slots=True)
class Answers:
    """What the models of a checkpoint compute.

    Attributes:
        labels: For each model and sentence the labels, in order; none of a language model.
        scores: Likewise their scores, the probabilities of all classes, or the states of a language model.
    """

    labels: tuple[tuple[str, ...], ...]
    scores: tuple[tuple[float, ...], ...]

    def words(self) -> dict[str, Any]:
        """Return them as a message has them."""
        return {"labels": self.labels, "scores": self.scores}

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> Answers:
        """Return what a message says.

        Raises:
            LookupError, TypeError, ValueError: It says something else.
        """
        labels = tuple(tuple(map(str, each)) for each in words["labels"])
        return cls(labels, tuple(tuple(map(float, each)) for each in words["scores"]))

    def difference(self, other: Answers) -> str | None:
        """Return the first thing in which others differ, or `None`."""
        if len(self.labels) != len(other.labels) or len(self.scores) != len(other.scores):
            return f"{len(other.labels)} answers instead of {len(self.labels)}"
        for place, (one, two) in enumerate(zip(self.labels, other.labels, strict=True), 1):
            if one != two:
                return f"labels of answer {place}: {' '.join(one)!a:.60} and {' '.join(two)!a:.60}"
        for place, (first, second) in enumerate(zip(self.scores, other.scores, strict=True), 1):
            apart = [abs(a - b) for a, b in zip(first, second, strict=False)]
            if len(first) != len(second) or not all(each <= _CLOSE for each in apart):
                return f"scores of answer {place}, by {max(apart, default=float('inf')):.3g}"
        return None


def answers_of(opened: FlairSource, sentences: Sequence[Sequence[str]]) -> Answers:
    """Return what a checkpoint's models compute on the sentences that each can read."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = [each for model in opened.models() for each in _of_model(model, sentences)]
    finally:
        torch.set_num_threads(threads)
    return Answers(tuple(labels for labels, _ in found), tuple(scores for _, scores in found))


def _of_model(
    model: FlairSource, sentences: Sequence[Sequence[str]]
) -> list[tuple[tuple[str, ...], tuple[float, ...]]]:
    if model.language_model is not None:
        texts = [" ".join(tokens) for tokens in sentences]
        with torch.no_grad():
            states = model.language_model.get_representation(texts, "\n", " ")
        return [((), tuple(states[:, place].mean(dim=0).tolist())) for place in range(len(texts))]
    readable = [tokens for tokens in sentences if model.can_read(tokens)]
    if model.of_sentences():
        return [_of_sentence(each) for each in model.classify(readable, _BATCH)]
    return [(tuple(each.labels), tuple(each.scores)) for each in model.predict(readable, _BATCH)]


def _of_sentence(found: Classified) -> _Result:
    every = sorted(found.probabilities.items())
    return (*sorted(found.labels), *(name for name, _ in every)), tuple(score for _, score in every)
