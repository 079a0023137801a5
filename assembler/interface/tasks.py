"""The tasks of a model, as the metadata list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from assembler.interface.examples import SENTENCES, Texts

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.interface.fields import Fields

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
        class_probabilities: The output with the probability of each class, float32 `[sentences, tokens, classes]`;
            `None` for a model that was built without.
        embeddings: The output with the vectors of tokens that the head reads, float32 `[sentences, tokens, features]`;
            `None` likewise.
    """

    name: str
    label_type: str
    labels: tuple[str, ...]
    skipped: tuple[str, ...]
    spans: str
    prediction: str
    scores: str
    class_probabilities: str | None = None
    embeddings: str | None = None

    @property
    def texts(self) -> Texts:
        """What its examples consist of: one sentence each."""
        return SENTENCES

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it; of its outputs, those that every host reads."""
        outputs: dict[str, Value] = {"prediction": self.prediction, "scores": self.scores}
        return _common(self) | {"reads": "tokens", "spans": self.spans, "outputs": outputs}

    @classmethod
    def from_metadata(cls, fields: Fields) -> TokenTask:
        """Return the task of an entry of the metadata.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        name, label_type, labels, skipped, outputs = _read(fields)
        spans = fields.choice("spans", SPAN_RULES)
        prediction, scores = outputs.text("prediction"), outputs.text("scores")
        further = _if_there(outputs, "class_probabilities"), _if_there(outputs, "embeddings")
        return cls(name, label_type, labels, skipped, spans, prediction, scores, *further)


@dataclass(frozen=True, slots=True)
class SentenceTask:
    """Labels for each sentence as a whole, or for each example of several texts.

    Attributes:
        name: What it is called, unique in the model.
        label_type: The flair label type.
        labels: The label of each class by its id.
        skipped: The labels that flair does not write on a sentence.
        multi_label: Whether a sentence has any number of labels, or the one of the most probable class.
        thresholds: For each class what its probability must exceed, where there are any number of labels.
        probabilities: The output with the probability of each class, float32 `[sentences, classes]`.
        embeddings: The output with the vectors of sentences that the head reads, float32 `[sentences, features]`;
            `None` for a model that was built without.
        texts: What its examples consist of. All outputs have a row for each example.
    """

    name: str
    label_type: str
    labels: tuple[str, ...]
    skipped: tuple[str, ...]
    multi_label: bool
    thresholds: tuple[float, ...]
    probabilities: str
    embeddings: str | None = None
    texts: Texts = SENTENCES

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it; of its outputs, the one that every host reads."""
        own: dict[str, Value] = {"multi_label": self.multi_label, "thresholds": list(self.thresholds)}
        return _common(self) | own | self.texts.as_dict() | {"outputs": {"probabilities": self.probabilities}}

    @classmethod
    def from_metadata(cls, fields: Fields) -> SentenceTask:
        """Return the task of an entry of the metadata.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        name, label_type, labels, skipped, outputs = _read(fields)
        thresholds = fields.numbers("thresholds")
        if len(thresholds) != len(labels):
            key, message = "thresholds", f"expected one for each of {len(labels)} labels, got {len(thresholds)}"
            raise fields.error(key, message)
        several, probabilities = fields.flag("multi_label"), outputs.text("probabilities")
        embeddings = _if_there(outputs, "embeddings")
        texts = Texts.from_metadata(fields)
        return cls(name, label_type, labels, skipped, several, thresholds, probabilities, embeddings, texts)


@dataclass(frozen=True, slots=True)
class NumberTask:
    """A number for each sentence as a whole, or for each example of several texts.

    Attributes:
        name: What it is called, unique in the model.
        label_type: The flair label type.
        numbers: The output with the numbers, float32 `[sentences]`.
        embeddings: The output with the vectors of sentences that the head reads, float32 `[sentences, features]`;
            `None` for a model that was built without.
        texts: What its examples consist of. All outputs have a row for each example.
    """

    name: str
    label_type: str
    numbers: str
    embeddings: str | None = None
    texts: Texts = SENTENCES

    @property
    def labels(self) -> tuple[str, ...]:
        """No labels: there are no classes."""
        return ()

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it; of its outputs, the one that every host reads."""
        own: dict[str, Value] = {"name": self.name, "label_type": self.label_type, "finds": "numbers"}
        return own | self.texts.as_dict() | {"outputs": {"numbers": self.numbers}}

    @classmethod
    def from_metadata(cls, fields: Fields) -> NumberTask:
        """Return the task of an entry of the metadata.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        name, label_type, outputs = fields.text("name"), fields.text("label_type"), fields.child("outputs")
        numbers, embeddings = outputs.text("numbers"), _if_there(outputs, "embeddings")
        return cls(name, label_type, numbers, embeddings, Texts.from_metadata(fields))


Task: TypeAlias = TokenTask | SentenceTask | NumberTask


def read_task(fields: Fields) -> Task:
    """Return the task of an entry of the metadata.

    Raises:
        ModelError: M013 for a field that is missing or damaged.
    """
    if "finds" in fields.values and fields.choice("finds", ("numbers",)):
        return NumberTask.from_metadata(fields)
    _read(fields)
    on_tokens = fields.choice("reads", ("tokens", "sentences", "texts")) == "tokens"
    return TokenTask.from_metadata(fields) if on_tokens else SentenceTask.from_metadata(fields)


def _common(task: TokenTask | SentenceTask) -> dict[str, Value]:
    return {
        "name": task.name,
        "label_type": task.label_type,
        "labels": list(task.labels),
        "skipped": list(task.skipped),
    }


def _if_there(fields: Fields, key: str) -> str | None:
    return fields.text(key) if key in fields.values else None


def _read(fields: Fields) -> tuple[str, str, tuple[str, ...], tuple[str, ...], Fields]:
    """Return name, type of labels, labels, skipped ones, and outputs."""
    name, label_type = fields.text("name"), fields.text("label_type")
    labels, skipped, outputs = fields.strings("labels"), fields.strings("skipped"), fields.child("outputs")
    if not labels:
        key, message = "labels", "there are none"
        raise fields.error(key, message)
    return name, label_type, labels, skipped, outputs
