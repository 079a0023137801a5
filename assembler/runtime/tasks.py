"""What a model decides: its tasks, as the metadata list them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from assembler.runtime.fields import Fields, damaged, each

if TYPE_CHECKING:
    from assembler.runtime.interface import Interface

_PLACE = "assembler.tasks"
#: How the labels of tokens are read as spans: by flair's SequenceTagger, by its TokenClassifier, or not at all.
SPAN_RULES = ("sequence_tagger", "token_classifier", "none")


@dataclass(frozen=True, slots=True)
class TokenTask:
    """A class and its score for each token.

    Attributes:
        name: What it is called, unique in the model.
        label_type: The flair label type.
        labels: The label of each class by its id.
        skipped: The labels that flair does not write on a token.
        spans: One of `SPAN_RULES`.
        prediction: The output with the class of each token, int64 `[sentences, tokens]`.
        scores: The output with the score of that class, float32 `[sentences, tokens]`.
    """

    name: str
    label_type: str
    labels: tuple[str, ...]
    skipped: tuple[str, ...]
    spans: str
    prediction: str
    scores: str


@dataclass(frozen=True, slots=True)
class SentenceTask:
    """Labels for each sentence as a whole.

    Attributes:
        name: What it is called, unique in the model.
        label_type: The flair label type.
        labels: The label of each class by its id.
        skipped: The labels that flair does not write on a sentence.
        multi_label: Whether a sentence has any number of labels, or the one of the most probable class.
        thresholds: For each class what its probability must exceed, where there are any number of labels.
        probabilities: The output with the probability of each class, float32 `[sentences, classes]`.
    """

    name: str
    label_type: str
    labels: tuple[str, ...]
    skipped: tuple[str, ...]
    multi_label: bool
    thresholds: tuple[float, ...]
    probabilities: str


Task: TypeAlias = TokenTask | SentenceTask


def read_tasks(value: object, labels: tuple[str, ...], interface: Interface, file: str) -> tuple[Task, ...]:
    """Return the tasks that the metadata list, the first first.

    Args:
        value: The parsed JSON of `assembler.tasks`; `None` in models of the first versions, which had one task at most.
        labels: The labels by class id of a model of such a version.
        interface: Its interface.
        file: The model's file, for the problems.

    Raises:
        ModelError: M013 for each field that is missing or damaged.
    """
    if value is None:
        return _only_task(labels, interface)
    if not isinstance(value, list):
        raise damaged(_PLACE, f"expected a list, got {type(value).__name__}", file)
    entries = [Fields.of(entry, f"{_PLACE}[{number}]", file) for number, entry in enumerate(value)]
    tasks = each(_task, entries)
    for name, times in Counter(task.name for task in tasks).items():
        if times > 1:
            raise damaged(_PLACE, f"'{name}' stands there twice", file)
    return tasks


def _task(fields: Fields) -> Task:
    name, label_type = fields.text("name"), fields.text("label_type")
    labels, skipped, outputs = fields.strings("labels"), fields.strings("skipped"), fields.child("outputs")
    if not labels:
        place = f"{fields.place}.labels"
        raise damaged(place, "there are none", fields.file)
    if fields.choice("reads", ("tokens", "sentences")) == "tokens":
        spans = fields.choice("spans", SPAN_RULES)
        return TokenTask(name, label_type, labels, skipped, spans, outputs.text("prediction"), outputs.text("scores"))
    thresholds = fields.numbers("thresholds")
    if len(thresholds) != len(labels):
        message = f"expected one for each of {len(labels)} labels, got {len(thresholds)}"
        place = f"{fields.place}.thresholds"
        raise damaged(place, message, fields.file)
    several = fields.flag("multi_label")
    return SentenceTask(name, label_type, labels, skipped, several, thresholds, outputs.text("probabilities"))


def _only_task(labels: tuple[str, ...], interface: Interface) -> tuple[Task, ...]:
    prediction, scores, tags = interface.output("prediction"), interface.output("scores"), interface.tags
    if prediction is None or scores is None or tags is None or not labels:
        return ()
    spans = "sequence_tagger" if tags.spans else "none"
    name = tags.label_type or "tags"
    return (TokenTask(name, tags.label_type, labels, ("O", "_"), spans, prediction, scores),)
