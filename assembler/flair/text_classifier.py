"""An assembled classifier of texts inside flair: flair's own sentences, labels and evaluation, without torch weights.

NN is flair 0.15.1's nn/model.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.data import Dictionary, Sentence
from flair.models import TextClassifier
from tqdm import tqdm

from assembler import runtime
from assembler.flair.sentences import Settled, placed, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from assembler.runtime import Classification


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


class OnnxTextClassifier(Settled, TextClassifier):
    """A `TextClassifier` whose numbers come from an assembled model.

    `predict` and `evaluate` do what flair's do, and follow `multi_label_threshold`, `multi_label` and the names in
    `label_dictionary` as they are set at the time. What an assembled model cannot follow raises `NotImplementedError`
    when it is set, and so does what needs the weights in torch when it is called.
    """

    settled = _SETTLED

    def __init__(self, classifier: runtime.TextClassifier, task: str | None = None) -> None:
        """Take a loaded model; `OnnxTextClassifier.load` is the usual way."""
        torch.nn.Module.__init__(self)  # TextClassifier's own would make the layers
        names = [each.name for each in classifier.tasks]
        if task is not None and task not in names:
            message = f"there is no task '{task}' in the model, which has {', '.join(names)}"
            raise ValueError(message)
        self._classifier = classifier
        self._task = classifier.tasks[names.index(task) if task is not None else 0]
        self._label_type = self._task.label_type
        self.multi_label = self._task.multi_label
        self.multi_label_threshold = {
            "default": 0.5,
            **dict(zip(self._task.labels, self._task.thresholds, strict=True)),
        }
        self.label_dictionary = Dictionary(add_unk=False)
        for label in self._task.labels:
            self.label_dictionary.add_item(label)
        self.eval()
        self._loaded = True

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

    @classmethod
    def load(
        cls, model_path: str | os.PathLike[str] | dict[str, Any], *, task: str | None = None, verify: bool = True
    ) -> OnnxTextClassifier:
        """Load an assembled model.

        Args:
            model_path: The `.onnx` file.
            task: Which of the model's tasks predicts, by its name; by default the first.
            verify: Whether to look first if the file is whole.

        Raises:
            ValueError: The model has no such task.
            ModelError: It is no model of ours, or no classifier of sentences (M010 to M014), or damaged
                (M021, M022).
            TypeError: It is not a path.
        """
        if not isinstance(model_path, str | os.PathLike):
            message = f"expected the path of an assembled model, got {type(model_path).__name__}"
            raise TypeError(message)
        return cls(runtime.TextClassifier(Path(model_path), verify=verify), task)

    def predict(
        self,
        sentences: list[Sentence] | Sentence,
        mini_batch_size: int = 32,
        return_probabilities_for_all_classes: bool = False,  # noqa: FBT001, FBT002 - flair's signature
        verbose: bool = False,  # noqa: FBT001, FBT002
        label_name: str | None = None,
        return_loss: bool = False,  # noqa: FBT001, FBT002
        embedding_storage_mode: str | None = "none",
    ) -> list[Sentence] | Sentence | None:
        """Predict labels and put them on the sentences, as `DefaultClassifier.predict` does (NN 757-905).

        Args:
            sentences: One or several; those without tokens are left out.
            mini_batch_size: The most sentences in one run.
            return_probabilities_for_all_classes: Whether to put every class on each sentence, with its probability.
            verbose: Whether to show a progress bar.
            label_name: The type of the labels; by default that of the model. Labels of this type are removed first.
            return_loss: Not possible.
            embedding_storage_mode: Only `none`: no embeddings leave the model.

        Returns:
            What flair returns: nothing, or the sentences where there was nothing to label.

        Raises:
            NotImplementedError: For what is not possible.
        """
        refuse(return_loss, "a loss")
        refuse(embedding_storage_mode not in {"none", None}, "stored embeddings")
        given = [sentences] if isinstance(sentences, Sentence) else list(sentences)
        filled = [sentence for sentence in given if len(sentence) > 0]
        if not filled:
            return sentences
        Sentence.set_context_for_sentences(given)
        with tqdm(total=len(filled), desc="Batch inference", disable=not verbose) as bar:
            found = self._classifier.classify_in_context(
                [placed(sentence, self._classifier.interface) for sentence in filled],
                batch_size=mini_batch_size,
                progress=bar.update,
            )
        for sentence, result in zip(filled, found, strict=True):
            name = self.label_type if label_name is None else label_name
            sentence.remove_labels(name)
            for value, score in self._chosen(result.tasks[self._task.name], return_probabilities_for_all_classes):
                sentence.add_label(name, value=value, score=score)
        return None

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

    def evaluate(self, *args: Any, return_loss: bool = False, **options: Any) -> Any:  # noqa: ANN401 - flair's own
        """Evaluate as flair does, with its arguments and its scores; there is no loss.

        Raises:
            NotImplementedError: With `return_loss=True`.
        """
        refuse(return_loss, "a loss")
        return super().evaluate(*args, **{**options, "return_loss": False})

    def forward_loss(self, sentences: list[Sentence]) -> Any:  # noqa: ANN401, ARG002
        """Refuse: an assembled model cannot be trained."""
        refuse(True, "training")  # noqa: FBT003

    def save(self, model_file: str | Path, checkpoint: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Refuse: the file is there already."""
        refuse(True, "a checkpoint; the model is the .onnx file")  # noqa: FBT003


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
