"""An assembled model inside flair: flair's own sentences, labels and evaluation, without torch weights.

    from assembler.flair import OnnxSequenceTagger

    tagger = OnnxSequenceTagger.load("ner.onnx")
    tagger.predict(sentence)
    print(sentence.get_spans("ner"))

`OnnxTextClassifier` does the same for classifiers of texts.

Importing this module imports flair and torch; no weights of theirs are loaded. ST is flair 0.15.1's
models/sequence_tagger_model.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from flair.data import Dictionary, Sentence
from flair.models import SequenceTagger
from tqdm import tqdm

from assembler.flair.sentences import Settled, placed, refuse
from assembler.flair.text_classifier import OnnxTextClassifier
from assembler.runtime import Tagger, decode_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.runtime import TaskTags

__all__ = ["OnnxSequenceTagger", "OnnxTextClassifier"]


#: What flair's tagger has beside what `predict` follows here: `tag_type` and `predict_spans`.
_SETTLED = frozenset(
    [
        "bidirectional",
        "crf",
        "dropout",
        "embedding2nn",
        "embeddings",
        "hidden_size",
        "label_dictionary",
        "linear",
        "locked_dropout",
        "loss_function",
        "loss_weights",
        "reproject_embeddings",
        "rnn",
        "rnn_layers",
        "rnn_type",
        "tag_format",
        "tagset_size",
        "train_initial_hidden_state",
        "use_crf",
        "use_dropout",
        "use_locked_dropout",
        "use_rnn",
        "use_word_dropout",
        "viterbi_decoder",
        "weight_dict",
        "word_dropout",
    ]
)


class OnnxSequenceTagger(Settled, SequenceTagger):
    """A `SequenceTagger` whose numbers come from an assembled model.

    `predict` and `evaluate` do what flair's do, and follow `tag_type` and `predict_spans` where they are set later.
    What else flair's tagger would follow raises `NotImplementedError` when it is set. So does what needs the weights in
    torch (training, losses, the probabilities of all classes, saving), when it is called.
    """

    settled = _SETTLED

    def __init__(self, tagger: Tagger, task: str | None = None) -> None:
        """Take a loaded model; `OnnxSequenceTagger.load` is the usual way."""
        torch.nn.Module.__init__(self)  # SequenceTagger's own would make the layers
        names = [each.name for each in tagger.tasks]
        if task is not None and task not in names:
            message = f"there is no task '{task}' in the model, which has {', '.join(names)}"
            raise ValueError(message)
        self._tagger = tagger
        self._task = tagger.tasks[names.index(task) if task is not None else 0]
        self.tag_type = self._task.label_type
        self.label_dictionary = Dictionary(add_unk=False)
        for label in self._task.labels:
            self.label_dictionary.add_item(label)
        self.predict_spans = self._task.spans != "none"
        is_bioes = any(label.startswith(("S-", "E-")) for label in self._task.labels)
        self.tag_format = "BIOES" if is_bioes or not self.predict_spans else "BIO"
        self.eval()
        self._loaded = True

    @classmethod
    def load(
        cls, model_path: str | os.PathLike[str] | dict[str, Any], *, task: str | None = None, verify: bool = True
    ) -> OnnxSequenceTagger:
        """Load an assembled model.

        Args:
            model_path: The `.onnx` file.
            task: Which of the model's tasks predicts, by its name; by default the first.
            verify: Whether to look first if the file is whole.

        Raises:
            ValueError: The model has no such task.
            ModelError: It is no model of ours, or no tagger (M010 to M014), or damaged (M021, M022).
            TypeError: It is not a path.
        """
        if not isinstance(model_path, str | os.PathLike):
            message = f"expected the path of an assembled model, got {type(model_path).__name__}"
            raise TypeError(message)
        return cls(Tagger(Path(model_path), verify=verify), task)

    def predict(
        self,
        sentences: list[Sentence] | Sentence,
        mini_batch_size: int = 32,
        return_probabilities_for_all_classes: bool = False,  # noqa: FBT001, FBT002 - flair's signature
        verbose: bool = False,  # noqa: FBT001, FBT002
        label_name: str | None = None,
        return_loss: bool = False,  # noqa: FBT001, FBT002
        embedding_storage_mode: str | None = "none",
        force_token_predictions: bool = False,  # noqa: FBT001, FBT002
    ) -> list[Sentence] | None:
        """Predict labels and put them on the sentences, as `SequenceTagger.predict` does (ST 455-561).

        Args:
            sentences: One or several; those without tokens are left out.
            mini_batch_size: The most sentences in one run.
            return_probabilities_for_all_classes: Not possible: the model outputs only the best label's score.
            verbose: Whether to show a progress bar.
            label_name: The type of the labels; by default that of the model. Labels of this type are removed first.
            return_loss: Not possible.
            embedding_storage_mode: Only `none`: no embeddings leave the model.
            force_token_predictions: Label each token, even if the tags are spans.

        Returns:
            What flair returns: nothing, or the sentences if there was nothing to tag.

        Raises:
            NotImplementedError: For options that are not possible.
        """
        refuse(return_probabilities_for_all_classes, "the probabilities of all classes")
        refuse(return_loss, "a loss")
        refuse(embedding_storage_mode not in {"none", None}, "stored embeddings")
        if not sentences:
            return sentences if isinstance(sentences, list) else [sentences]
        given = [sentences] if isinstance(sentences, Sentence) else list(sentences)
        filled = [sentence for sentence in given if len(sentence) > 0]
        if not filled:
            return filled
        name = self.tag_type if label_name is None else label_name
        Sentence.set_context_for_sentences(given)  # as ST 484 does, on all of them
        with tqdm(total=len(filled), desc="Tagging", disable=not verbose) as bar:
            tagged = self._tagger.tag_in_context(
                [placed(sentence, self._tagger.interface) for sentence in filled],
                batch_size=mini_batch_size,
                progress=bar.update,
            )
        for sentence, result in zip(filled, tagged, strict=True):
            self._label(
                sentence,
                result.tasks[self._task.name],
                name,
                by_token=force_token_predictions or not self.predict_spans,
            )
        return None

    def _label(self, sentence: Sentence, result: TaskTags, name: str, *, by_token: bool) -> None:
        sentence.remove_labels(name)
        if not by_token:
            unread = self._task.spans == "none"  # flair reads spans from any labels, if it is told to
            for span in decode_spans(result.labels, result.scores) if unread else result.spans:
                sentence[span.start : span.end].add_label(name, value=span.label, score=span.score)
            return
        for token, label, score in zip(sentence.tokens, result.labels, result.scores, strict=True):
            if label not in self._task.skipped:  # ST 551-554
                token.add_label(name, value=label, score=score)

    def evaluate(self, *args: Any, return_loss: bool = False, **options: Any) -> Any:  # noqa: ANN401 - flair's own
        """Evaluate as flair does, with its arguments and its scores; there is no loss.

        Raises:
            NotImplementedError: With `return_loss=True`.
        """
        refuse(return_loss, "a loss")
        return super().evaluate(*args, **{**options, "return_loss": False})

    def forward(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - flair's own
        """Refuse: there are no layers in torch."""
        refuse(True, "a forward pass in torch")  # noqa: FBT003

    def forward_loss(self, sentences: Sequence[Sentence]) -> Any:  # noqa: ANN401, ARG002
        """Refuse: an assembled model cannot be trained."""
        refuse(True, "training")  # noqa: FBT003

    def save(self, model_file: str | Path, checkpoint: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Refuse: the file is there already."""
        refuse(True, "a checkpoint; the model is the .onnx file")  # noqa: FBT003
