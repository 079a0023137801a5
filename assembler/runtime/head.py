"""The tasks of a model on tokens, and how their outputs are read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.interface.fields import damaged
from assembler.interface.tasks import TokenTask
from assembler.runtime.ports import FLOAT32, INT64, require_ports
from assembler.runtime.sentence import TaskTags
from assembler.runtime.spans import Span, decode_classifier_spans, decode_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.metadata import Metadata
    from assembler.runtime.session import Session

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
        outputs = {task.prediction: INT64 for task in tasks} | {task.scores: FLOAT32 for task in tasks}
        require_ports(metadata.interface, session, {name: outputs[name] for name in _named(tasks)})
        return tuple(cls(task, session.file) for task in tasks)

    def read(
        self,
        sentences: Sequence[tuple[str, ...]],
        prediction: NDArray[np.generic],
        scores: NDArray[np.generic],
        *,
        force_tokens: bool,
    ) -> list[TaskTags]:
        """Return the tags of each sentence of a batch.

        Args:
            sentences: The tokens of each sentence.
            prediction: int64 `[sentences, tokens]`; values after a sentence's end are ignored.
            scores: float32 `[sentences, tokens]`.
            force_tokens: Whether to leave out the spans.

        Raises:
            ModelError: M013 if a predicted class has no label, M014 if an output has another shape.
        """
        counts = np.fromiter(map(len, sentences), np.int64, len(sentences))
        filled = np.arange(counts.max()) < counts[:, np.newaxis]
        labels = iter(self._labels(self._rows(self.task.prediction, prediction, filled)))
        values: Iterator[float] = iter(self._rows(self.task.scores, scores, filled).tolist())
        return [self._tagged(len(tokens), labels, values, force_tokens=force_tokens) for tokens in sentences]

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


def _named(tasks: Sequence[TokenTask]) -> list[str]:
    """Return the outputs of all tasks, scores first, in the order of models."""
    return [name for task in tasks for name in (task.scores, task.prediction)]


def _no_tagger(metadata: Metadata, session: Session) -> Problem:
    message = f"the model has no tagger head: its outputs are {', '.join(session.outputs)}"
    hint = "a Tagger wants labels, a prediction and scores; run other models with ONNX Runtime itself"
    if metadata.tasks:
        message = f"the model labels sentences, not tokens: {', '.join(task.name for task in metadata.tasks)}"
        hint = "open it with assembler.runtime.TextClassifier"
    return Problem("M014", message, hint, session.file)
