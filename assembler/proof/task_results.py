"""Labels and scores of one task, from the loaded model and from a written one, in one shape that can be compared.

A classifier of sentences has a slot for each class: whether the sentence has the label, and its probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.runtime.classifier import TextClassifier
from assembler.runtime.tagger import Tagger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from assembler.proof.parity import TaggedTokens
    from assembler.runtime.classifier import Classification
    from assembler.runtime.tasks import SentenceTask
    from assembler.sources.flair_checkpoint import FlairSource

#: The batch in which the source itself runs. Its results do not depend on it, its time and memory do.
_SOURCE_BATCH = 8


@dataclass(frozen=True, slots=True)
class Slots:
    """A label and a score for each token, or for each class of a sentence."""

    labels: Sequence[str]
    scores: Sequence[float]


def source_results(
    model: FlairSource, sentences: Sequence[Sequence[str]], *, by_sentence: bool
) -> Sequence[TaggedTokens]:
    """Run the loaded model itself."""
    if not by_sentence:
        return model.predict(sentences, _SOURCE_BATCH)
    return [
        Slots(
            [_slot(label, chosen=label in found.labels) for label in found.probabilities],
            list(found.probabilities.values()),
        )
        for found in model.classify(sentences, _SOURCE_BATCH)
    ]


def model_results(
    path: Path, task: str, *, by_sentence: bool
) -> Callable[[list[list[str]], int], Sequence[TaggedTokens]]:
    """Return what runs a written model on sentences, in batches of a size, and gives one task's results.

    Raises:
        ModelError: The model cannot be run (M010 to M014).
    """
    if not by_sentence:
        tagger = Tagger(path)
        return lambda sentences, size: [each.tasks[task] for each in tagger.tag(sentences, batch_size=size)]
    classifier = TextClassifier(path)
    [about] = [each for each in classifier.tasks if each.name == task]
    return lambda sentences, size: [
        _slots(about, each.tasks[task]) for each in classifier.classify(sentences, batch_size=size)
    ]


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
    return label if chosen else f"not {label}"
