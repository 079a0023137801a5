"""An assembled classifier of texts inside flair.

NN is flair 0.15.1's nn/model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from flair.models import TextClassifier

from assembler.flair.assembled import Assembled
from assembler.interface.tasks import SentenceTask
from assembler.runtime import Classification, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flair.data import Sentence
    from numpy.typing import NDArray

    from assembler.flair.predicting import Asked
    from assembler.interface.tasks import Task
    from assembler.runtime import Outcome


#: What flair's classifier has beside what `predict` follows here: names and type of labels, thresholds, `multi_label`.
_SETTLED = frozenset(
    [
        "decoder",
        "document_embeddings",
        "dropout",
        "embeddings",
        "final_embedding_size",
        "gradient_reversal",
        "inverse_model",
        "locked_dropout",
        "loss_function",
        "loss_weights",
        "should_embed_sentence",
        "train_on_gold_pairs_only",
        "weight_dict",
        "word_dropout",
    ]
)
#: How far a float32 probability may be from the true one, as a share of it.
_ROUNDING = 2.0**-22
_PRECISION = 1e-4


class OnnxTextClassifier(Assembled, TextClassifier):  # type: ignore[misc] # embeddings are a property here
    """A `TextClassifier` whose numbers come from an assembled model.

    `predict` and `evaluate` do what flair's do, and follow `multi_label_threshold`, `multi_label` and the names in
    `label_dictionary` as they are set at the time. What an assembled model cannot follow raises `NotImplementedError`
    when it is set, and so does what needs the weights in torch when it is called.
    """

    settled = _SETTLED
    _task: SentenceTask

    @classmethod
    def writes(cls, task: Task) -> bool:
        """Return whether a task labels sentences."""
        return isinstance(task, SentenceTask) and task.texts.count == 1

    is_of = writes

    def _set_up(self) -> None:
        self._label_type = self._task.label_type
        self.multi_label = self._task.multi_label
        thresholds = dict(zip(self._task.labels, self._task.thresholds, strict=True))
        self.multi_label_threshold = {"default": 0.5, **thresholds}

    @property
    def multi_label(self) -> bool:
        """Whether a sentence has any number of labels. May be set to `False`; flair then takes the best alone."""
        return self._multi_label

    @multi_label.setter
    def multi_label(self, value: bool) -> None:
        """Set it.

        Raises:
            NotImplementedError: It is set for a model whose classes share one probability: their own cannot be told.
        """
        if value and not self._task.multi_label:
            message = "'multi_label' cannot be set: the classes of this model share one probability (softmax)"
            raise NotImplementedError(message)
        self._multi_label = bool(value)

    def _wanted(self, asked: Asked, *, vectors: bool) -> Wanted:  # noqa: ARG002 - every model gives all probabilities
        return Wanted(embeddings=vectors)

    def _write(self, sentence: Sentence, found: Outcome, asked: Asked) -> None:
        """Write labels as `DefaultClassifier.predict` does (NN 757-905)."""
        if not isinstance(found, Classification):
            raise TypeError(found)
        sentence.remove_labels(asked.name)
        for value, score in self._chosen(found, asked.all_classes):
            sentence.add_label(asked.name, value=value, score=score)

    def _chosen(self, found: Classification, everything: bool) -> list[tuple[str, float]]:  # noqa: FBT001
        """Return labels and scores, by what is set now (NN 906-937)."""
        names = [self.label_dictionary.get_item_for_index(index) for index in range(len(found.probabilities))]
        shared = self._task.multi_label and not self.multi_label
        scores = _softmax(found.probabilities) if shared else found.probabilities
        rows = [*zip(names, scores, strict=True)]
        if not everything and self.multi_label:
            rows = [(name, score) for name, score in rows if score > self._threshold(name)]
        elif not everything:
            rows = [rows[int(np.argmax(scores))]]
        return [(name, score) for name, score in rows if name not in self._task.skipped]

    def _threshold(self, name: str) -> float:
        thresholds: dict[str, float] = self.multi_label_threshold
        return thresholds.get(name, thresholds["default"])


def _softmax(probabilities: Sequence[float]) -> list[float]:
    """Return the result of flair's softmax for classes that have a probability (sigmoid) each.

    Raises:
        NotImplementedError: They are too near to 1 to tell.
    """
    given = np.asarray(probabilities, np.float64)
    # in the bounds of the rounding, each class at its best among the others at their worst, and the other way round
    low, middle, high = (_odds(np.minimum(given * share, 1)) for share in (1 - _ROUNDING, 1, 1 + _ROUNDING))
    with np.errstate(invalid="ignore"):
        least, most = low / (low + _others(high)), high / (high + _others(low))
    most[np.isnan(most)] = 1  # without bounds
    best = int(np.argmax(given))
    if np.any(most - least > _PRECISION) or np.any(np.delete(high, best) > low[best]):
        message = "with 'multi_label' off, this model cannot tell: its probabilities are too near to 1 or to each other"
        raise NotImplementedError(message)
    return [*map(float, (least + most) / 2 if np.isinf(middle).any() else middle / middle.sum())]


def _odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return probabilities / (1 - probabilities)


def _others(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([np.delete(odds, place).sum() for place in range(len(odds))])
