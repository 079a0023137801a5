"""Labels and scores of one task, from the loaded model and from a written one, in one shape that can be compared.

A classifier of sentences has a slot for each class: whether the sentence has the label, and its probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.forms.opened import LabelsExamples, Rated
from assembler.interface.tasks import SentenceTask
from assembler.proof.batch_plan import like_length, width
from assembler.runtime.context import InContext
from assembler.runtime.example_reading import placed
from assembler.runtime.prompting import prompted, without_prompt
from assembler.runtime.ratings import Rating
from assembler.runtime.sentence import TaskTags
from assembler.runtime.task_runner import TaskRunner
from assembler.weights.decisions import SentenceLabels, TokenLabels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assembler.forms.opened import Classified, SourceModel
    from assembler.interface.examples import Example
    from assembler.proof.parity import TaggedTokens
    from assembler.runtime.classifications import Classification
    from assembler.runtime.context import Readable
    from assembler.runtime.task_runner import Outcome
    from assembler.weights.decisions import Decisions

#: The batches in which the source itself runs: in flair's order, and of like length. The last bits of its scores
#: depend on them, and its time and memory depend on them a lot.
SOURCE_BATCH, _ALIKE = 8, 32
#: The characters of a batch of like length: 32 sentences of 144, or 15 of 300.
_CELLS = 4608

#: The prefix of a class that a sentence does not have.
NOT = "not "
#: The label of a number, which has none of its own.
NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Slots:
    """A label and a score for each token, or for each class of a sentence."""

    labels: Sequence[str]
    scores: Sequence[float]


def source_results(
    model: SourceModel,
    decisions: Decisions,
    examples: Sequence[Example],
    *,
    batch_size: int | None = None,
    exact_sums: bool = False,
) -> Sequence[TaggedTokens]:
    """Run the loaded model itself.

    Args:
        model: The model.
        decisions: What it decides on.
        examples: What it labels. Those of like length run together, unless it reads the neighbours of each.
        batch_size: The examples of a batch, in flair's own order; by default some, in an order that takes less time.
        exact_sums: Whether a tagger's CRF adds in float64.
    """

    def run(own: Sequence[Example], size: int) -> Sequence[TaggedTokens]:
        return _run(model, decisions, own, size, exact_sums=exact_sums)

    if batch_size is not None or model.reads_neighbours():
        return run(examples, batch_size or SOURCE_BATCH)
    found: dict[int, TaggedTokens] = {}
    widths = [width(example.tokens) for example in examples]
    for batch in like_length(range(len(examples)), widths, _ALIKE, _CELLS):
        found |= zip(batch, run([examples[place] for place in batch], len(batch)), strict=True)
    return [found[place] for place in range(len(examples))]


def _run(
    model: SourceModel, decisions: Decisions, examples: Sequence[Example], batch_size: int, *, exact_sums: bool
) -> Sequence[TaggedTokens]:
    sentences = [example.texts[0] for example in examples]
    if isinstance(decisions, TokenLabels):
        return model.predict(sentences, batch_size, exact_sums=exact_sums)
    if isinstance(decisions, SentenceLabels) and decisions.texts.count == 1:
        return [_classified(found) for found in model.classify(sentences, batch_size)]
    if not isinstance(model, LabelsExamples):
        raise TypeError(model)
    return [_classified(found) for found in model.label(examples, batch_size)]


def _classified(found: Classified | Rated) -> Slots:
    if isinstance(found, Rated):
        return Slots([NUMBER], [found.number])
    labels = [_slot(label, chosen=label in found.labels) for label in found.probabilities]
    return Slots(labels, list(found.probabilities.values()))


class ModelTask:
    """One task of a written model."""

    def __init__(self, path: Path, task: str) -> None:
        """Load the model.

        Raises:
            ModelError: The model cannot be run (M010 to M014).
            KeyError: It has no such task.
        """
        self._model = TaskRunner(path)
        self._task = {each.name: each for each in self._model.tasks}[task]

    def placed(self, examples: Sequence[Example]) -> list[Readable]:
        """Return what the model reads of examples: beside their neighbours, so far as it reads these."""
        interface = self._model.interface
        return list(placed(examples, self._task.texts, interface.context, interface.prompt))

    def run(self, given: Sequence[Readable], batch_size: int) -> list[TaggedTokens]:
        """Run the model on examples, and return the task's results."""
        name, prompt = self._task.name, self._model.interface.prompt
        whole = [prompted(each, prompt) if isinstance(each, InContext) else each for each in given]
        return [self._read(each[name]) for each in self._model.run(whole, [name], batch_size=batch_size)]

    def _read(self, found: Outcome) -> TaggedTokens:
        if isinstance(found, TaskTags):
            return without_prompt(found, self._model.interface.prompt)
        if isinstance(found, Rating):
            return Slots([NUMBER], [] if found.number is None else [found.number])
        if not isinstance(self._task, SentenceTask):
            raise TypeError(self._task)
        return _slots(self._task, found)


def _slots(task: SentenceTask, found: Classification) -> Slots:
    chosen = {label.value for label in found.labels}
    # flair's predict does not return the classes that it skips
    pairs = [
        (_slot(label, chosen=label in chosen), score)
        for label, score in zip(task.labels, found.probabilities, strict=False)
        if label not in task.skipped
    ]
    return Slots([label for label, _ in pairs], [score for _, score in pairs])


def _slot(label: str, *, chosen: bool) -> str:
    return label if chosen else f"{NOT}{label}"
