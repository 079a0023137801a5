"""Labels and scores of one task, from the loaded model and from a written one, in one shape that can be compared.

A classifier of sentences has a slot for each class: whether the sentence has the label, and its probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.runtime.classifier import TextClassifier
from assembler.runtime.context import in_context
from assembler.runtime.tagger import Tagger
from assembler.runtime.tasks import SentenceTask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assembler.flair_checkpoints.source import FlairSource
    from assembler.proof.parity import TaggedTokens
    from assembler.runtime.context import InContext
    from assembler.runtime.labels import Classification

#: The batch in which the source itself runs. Its scores depend on it in their last bits, its time and memory a lot.
SOURCE_BATCH = 8


#: Stands before a class that a sentence does not have.
NOT = "not "


@dataclass(frozen=True, slots=True)
class Slots:
    """A label and a score for each token, or for each class of a sentence."""

    labels: Sequence[str]
    scores: Sequence[float]


def source_results(
    model: FlairSource,
    sentences: Sequence[Sequence[str]],
    *,
    by_sentence: bool,
    batch_size: int = SOURCE_BATCH,
    exact_sums: bool = False,
) -> Sequence[TaggedTokens]:
    """Run the loaded model itself; if `exact_sums`, a tagger's CRF adds in float64."""
    if not by_sentence:
        return model.predict(sentences, batch_size, exact_sums=exact_sums)
    return [
        Slots(
            [_slot(label, chosen=label in found.labels) for label in found.probabilities],
            list(found.probabilities.values()),
        )
        for found in model.classify(sentences, batch_size)
    ]


class ModelTask:
    """One task of a written model."""

    def __init__(self, path: Path, task: str, *, by_sentence: bool) -> None:
        """Load the model.

        Raises:
            ModelError: The model cannot be run (M010 to M014).
            KeyError: It has no such task.
        """
        self._model: Tagger | TextClassifier = TextClassifier(path) if by_sentence else Tagger(path)
        self._task = {each.name: each for each in self._model.tasks}[task]

    def placed(self, sentences: Sequence[Sequence[str]]) -> list[InContext]:
        """Return sentences beside their neighbours, so far as the model reads these."""
        return list(in_context(map(tuple, sentences), self._model.interface.context))

    def run(self, sentences: Sequence[InContext], batch_size: int) -> list[TaggedTokens]:
        """Run the model on sentences, and give the task's results."""
        name = self._task.name
        if isinstance(self._model, Tagger):
            return [each.tasks[name] for each in self._model.tag_in_context(sentences, batch_size=batch_size)]
        found = self._model.classify_in_context(sentences, batch_size=batch_size)
        if not isinstance(self._task, SentenceTask):
            raise TypeError(self._task)
        return [_slots(self._task, each.tasks[name]) for each in found]


def _slots(task: SentenceTask, found: Classification) -> Slots:
    chosen = {label.value for label in found.labels}
    # flair's predict says nothing of the classes that it skips
    pairs = [
        (_slot(label, chosen=label in chosen), score)
        for label, score in zip(task.labels, found.probabilities, strict=False)
        if label not in task.skipped
    ]
    return Slots([label for label, _ in pairs], [score for _, score in pairs])


def _slot(label: str, *, chosen: bool) -> str:
    return label if chosen else f"{NOT}{label}"
