"""A sentence with its labels, and the rule that makes labels from the probabilities of the classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.token import places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.interface.tasks import SentenceTask


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
    """

    labels: tuple[Label, ...] = ()
    probabilities: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the labels as values that `json.dumps` takes."""
        return {"labels": [asdict(label) for label in self.labels]}


@dataclass(frozen=True, slots=True)
class ClassifiedSentence:
    """The result of a classifier for one sentence. Labels and probabilities are those of the model's first task.

    Attributes:
        tokens: The tokens that were read: those of the caller without the empty ones, which flair drops.
        labels: As in `Classification`.
        probabilities: As in `Classification`.
        task: The name of the first task.
        further: The results of the other tasks, by name.
    """

    tokens: tuple[str, ...]
    labels: tuple[Label, ...]
    probabilities: tuple[float, ...]
    task: str = field(default="", compare=False)
    further: tuple[tuple[str, Classification], ...] = ()

    @property
    def tasks(self) -> dict[str, Classification]:
        """The result of each task, by its name. The sentence itself has the result of the first."""
        return {self.task: Classification(self.labels, self.probabilities), **dict(self.further)}

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """Where each token starts and ends in the raw text, in code points; empty if the caller passed tokens."""
        return places(self.tokens)

    def as_dict(self) -> dict[str, object]:
        """Return the sentence as values that `json.dumps` takes.

        For a model with several tasks, `tasks` has the labels of each by its name. For raw text, `offsets` has the
        place of each token in it.
        """
        record = {"tokens": list(self.tokens), **Classification(self.labels, self.probabilities).as_dict()}
        if self.offsets:
            record["offsets"] = [list(place) for place in self.offsets]
        if self.further:
            record["tasks"] = {name: found.as_dict() for name, found in self.tasks.items()}
        return record


def labels_of(task: SentenceTask, probabilities: Sequence[float]) -> tuple[Label, ...]:
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
