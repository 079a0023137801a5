"""The tasks of a model on tokens, and how their outputs are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.interface.fields import damaged
from assembler.interface.tasks import TokenTask
from assembler.runtime.port_checks import FLOAT32, INT64, require_ports
from assembler.runtime.sentence import TaskTags
from assembler.runtime.spans import Span, decode_classifier_spans, decode_spans
from assembler.runtime.wanted import require_shape, required

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.metadata import Metadata
    from assembler.runtime.session import Session
    from assembler.runtime.wanted import Wanted

_LABELS = "assembler.labels"


@dataclass(frozen=True, slots=True)
class Head:
    """How to read the outputs of a task on tokens.

    Attributes:
        task: The task.
        file: The model's file, for the problems.
    """

    task: TokenTask
    file: str

    @classmethod
    def all_of(cls, metadata: Metadata, session: Session) -> tuple[Head, ...]:
        """Return the heads of a model, in order.

        Raises:
            ModelError: M014 if the model has no tagger head, or for each port that does not match the metadata.
        """
        tasks = [task for task in metadata.tasks if isinstance(task, TokenTask)]
        if not tasks:
            raise ModelError(_no_tagger(metadata, session))
        heads = tuple(cls(task, session.file) for task in tasks)
        require_ports(metadata.interface, session, {name: kind for head in heads for name, kind in head.ports.items()})
        return heads

    @property
    def ports(self) -> dict[str, str]:
        """Its outputs, scores first, each with its type in ONNX Runtime."""
        task = self.task
        further = [name for name in (task.class_probabilities, task.embeddings) if name is not None]
        return {task.scores: FLOAT32, task.prediction: INT64} | dict.fromkeys(further, FLOAT32)

    def outputs(self, wanted: Wanted) -> list[str]:
        """Return the outputs that are read.

        Raises:
            ModelError: M032 if the model was built without what is wanted.
        """
        names, task = [self.task.prediction, self.task.scores], self.task
        if wanted.probabilities:
            what = "the probabilities of all classes"
            names.append(required(task.class_probabilities, what, "--probabilities", task, self.file))
        if wanted.embeddings:
            names.append(required(task.embeddings, "the embeddings", "--embeddings", task, self.file))
        return names

    def nothing(self, wanted: Wanted) -> TaskTags:
        """Return the tags of a sentence without tokens."""
        return TaskTags(classes=self._classes(wanted))

    def read(
        self, sentences: Sequence[tuple[str, ...]], outputs: Mapping[str, NDArray[np.generic]], wanted: Wanted
    ) -> list[TaskTags]:
        """Return the tags of each sentence of a batch.

        Args:
            sentences: The tokens of each sentence.
            outputs: The outputs that are read, by name. Values after a sentence's end are ignored.
            wanted: What is asked for.

        Raises:
            ModelError: M013 if a predicted class has no label, M014 if an output has another shape.
        """
        task = self.task
        counts = np.fromiter(map(len, sentences), np.int64, len(sentences))
        filled = np.arange(counts.max()) < counts[:, np.newaxis]
        labels = iter(self._labels(self._rows(task.prediction, outputs[task.prediction], filled)))
        values: Iterator[float] = iter(self._rows(task.scores, outputs[task.scores], filled).tolist())
        tags = [self._tagged(len(tokens), labels, values, force_tokens=wanted.force_tokens) for tokens in sentences]
        if wanted.probabilities and task.class_probabilities is not None:
            rows = self._vectors(task.class_probabilities, outputs, filled, len(task.labels))
            tags = [
                replace(each, classes=task.labels, probabilities=tuple(map(tuple, row[:count].tolist())))
                for each, row, count in zip(tags, rows, counts.tolist(), strict=True)
            ]
        if wanted.embeddings and task.embeddings is not None:
            rows = self._vectors(task.embeddings, outputs, filled)
            tags = [
                replace(each, embeddings=row[:count].copy())
                for each, row, count in zip(tags, rows, counts.tolist(), strict=True)
            ]
        return tags

    def _classes(self, wanted: Wanted) -> tuple[str, ...]:
        return self.task.labels if wanted.probabilities else ()

    def _vectors(
        self, name: str, outputs: Mapping[str, NDArray[np.generic]], filled: NDArray[np.bool_], size: int | None = None
    ) -> NDArray[np.float32]:
        """Return an output with a vector for each token, float32 `[sentences, tokens, size]`."""
        sentences, tokens = filled.shape
        given = outputs[name][:, :tokens]
        require_shape(name, given.shape, (sentences, tokens, size), self.file)
        return given.astype(np.float32, copy=False)

    def _rows(self, name: str, output: NDArray[np.generic], filled: NDArray[np.bool_]) -> NDArray[np.generic]:
        """Return the values of an output at the tokens, one sentence after another."""
        sentences, tokens = filled.shape
        if output.ndim != filled.ndim or output.shape[0] != sentences or output.shape[1] < tokens:
            message = f"output '{name}' has the shape {list(output.shape)}, expected {[sentences, tokens]}"
            raise ModelError(Problem("M014", message, file=self.file))
        return output[:, :tokens][filled]

    def _labels(self, classes: NDArray[np.generic]) -> list[str]:
        known = len(self.task.labels)
        numbers: list[int] = classes.tolist()
        strange = next((number for number in numbers if not 0 <= number < known), None)
        if strange is not None:
            message = f"{known} labels, but the model predicted the class {strange}"
            raise damaged(_LABELS, message, self.file)
        return [self.task.labels[number] for number in numbers]

    def _tagged(self, count: int, labels: Iterator[str], scores: Iterator[float], *, force_tokens: bool) -> TaskTags:
        own_labels, own_scores = tuple(islice(labels, count)), tuple(islice(scores, count))
        return TaskTags(own_labels, own_scores, () if force_tokens else self._spans(own_labels, own_scores))

    def _spans(self, labels: tuple[str, ...], scores: tuple[float, ...]) -> tuple[Span, ...]:
        if self.task.spans == "sequence_tagger":
            return decode_spans(labels, scores)
        return decode_classifier_spans(labels) if self.task.spans == "token_classifier" else ()


def _no_tagger(metadata: Metadata, session: Session) -> Problem:
    message = f"the model has no tagger head: its outputs are {', '.join(session.outputs)}"
    hint = "a Tagger wants labels, a prediction and scores; run other models with ONNX Runtime itself"
    if metadata.tasks:
        message = f"the model labels sentences, not tokens: {', '.join(task.name for task in metadata.tasks)}"
        hint = "open it with assembler.runtime.TextClassifier"
    return Problem("M014", message, hint, session.file)
