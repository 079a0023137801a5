"""A sentence with its labels, and the rule that makes labels from the probabilities of the classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from assembler.runtime.token import places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Decision(Protocol):
    """The labels of a task on sentences, and how they are chosen, as `interface.tasks.SentenceTask` has them."""

    @property
    def labels(self) -> Sequence[str]:
        """The label of each class by its id."""

    @property
    def skipped(self) -> Sequence[str]:
        """The labels that flair does not write on a sentence."""

    @property
    def multi_label(self) -> bool:
        """Whether a sentence has any number of labels."""

    @property
    def thresholds(self) -> Sequence[float]:
        """For each class what its probability must exceed, where there are any number of labels."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a sentence.

    Attributes:
        value: The label.
        score: Its probability: the float32 from the model.
    """

    value: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The result of one task for one sentence.

    Attributes:
        labels: In flair's order, that of the classes. There is none for a sentence without tokens, or if none is likely
            enough.
        probabilities: The probability of each class; empty for a sentence without tokens.
        classes: The label of each class by its id, where the probabilities of all classes were asked for; else empty.
        embeddings: The vector that the head read, float32 `[features]`; `None` if not asked for, and for a sentence
            without tokens.
    """

    labels: tuple[Label, ...] = ()
    probabilities: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    embeddings: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, object]:
        """Return the labels as values that `json.dumps` takes.

        Where they were asked for, `probabilities` has the probability of each class by its label.
        """
        record: dict[str, object] = {"labels": [asdict(label) for label in self.labels]}
        if self.classes:
            record["probabilities"] = dict(zip(self.classes, self.probabilities, strict=bool(self.probabilities)))
        return record


@dataclass(frozen=True, slots=True)
class ClassifiedSentence:
    """The result of a classifier for one sentence. Labels and probabilities are those of the model's first task.

    Attributes:
        tokens: The tokens that were read: those of the caller without the empty ones, which flair drops.
        labels: As in `Classification`.
        probabilities: As in `Classification`.
        task: The name of the first task.
        further: The results of the other tasks, by name.
        classes: As in `Classification`.
        embeddings: As in `Classification`.
    """

    tokens: tuple[str, ...]
    labels: tuple[Label, ...]
    probabilities: tuple[float, ...]
    task: str = field(default="", compare=False)
    further: tuple[tuple[str, Classification], ...] = ()
    classes: tuple[str, ...] = ()
    embeddings: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def found(self) -> Classification:
        """The result of the first task."""
        return Classification(self.labels, self.probabilities, self.classes, self.embeddings)

    @property
    def tasks(self) -> dict[str, Classification]:
        """The result of each task, by its name. The sentence itself has the result of the first."""
        return {self.task: self.found, **dict(self.further)}

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """Where each token starts and ends in the raw text, in code points; empty if the caller passed tokens."""
        return places(self.tokens)

    def as_dict(self) -> dict[str, object]:
        """Return the sentence as values that `json.dumps` takes.

        For a model with several tasks, `tasks` has the labels of each by its name. For raw text, `offsets` has the
        place of each token in it.
        """
        record = {"tokens": list(self.tokens), **self.found.as_dict()}
        if self.offsets:
            record["offsets"] = [list(place) for place in self.offsets]
        if self.further:
            record["tasks"] = {name: found.as_dict() for name, found in self.tasks.items()}
        return record


def labels_of(task: Decision, probabilities: Sequence[float]) -> tuple[Label, ...]:
    """Return the labels that flair makes from the probabilities of the classes (0.15.1, nn/model.py 865-905).

    Args:
        task: The task: one label of the most probable class, the first among equals, or every label above its
            threshold.
        probabilities: The probability of each class.
    """
    if task.multi_label:
        rows = zip(task.labels, probabilities, task.thresholds, strict=True)
        chosen = [Label(label, score) for label, score, threshold in rows if score > threshold]
    else:
        best = int(np.argmax(probabilities))
        chosen = [Label(task.labels[best], probabilities[best])]
    return tuple(label for label in chosen if label.value not in task.skipped)
