"""An assembled tagger inside flair.

ST is flair 0.15.1's models/sequence_tagger_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flair.data import Label, Sentence
from flair.models import SequenceTagger

from assembler.flair.assembled import Assembled
from assembler.flair.predicting import Asked, predict
from assembler.flair.refusals import refuse
from assembler.interface.tasks import TokenTask
from assembler.runtime import TaskTags, decode_spans

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.interface.tasks import Task
    from assembler.runtime import Outcome

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
#: The label of the beginning, which flair gives to the dictionary of every tagger with a CRF and of no other (ST 166).
_START = "<START>"
#: A label that a SequenceTagger leaves out where a TokenClassifier writes it (ST 551, nn/model.py 898).
_BLANK = "_"


class OnnxSequenceTagger(Assembled, SequenceTagger):  # type: ignore[misc] # embeddings are a property here
    """A `SequenceTagger` whose numbers come from an assembled model.

    `predict` and `evaluate` do what flair's do, and follow `tag_type` and `predict_spans` where they are set later.
    What else flair's tagger would follow raises `NotImplementedError` when it is set. So does what needs the weights in
    torch (training, losses, saving), when it is called.
    """

    settled = _SETTLED
    _task: TokenTask

    @classmethod
    def writes(cls, task: Task) -> bool:
        """Return whether a task labels tokens."""
        return isinstance(task, TokenTask)

    @classmethod
    def is_of(cls, task: Task) -> bool:
        """Return whether a task comes from a SequenceTagger."""
        return isinstance(task, TokenTask) and task.spans != "token_classifier" and _BLANK in task.skipped

    def _set_up(self) -> None:
        self.tag_type = self._task.label_type
        self.predict_spans = self._task.spans != "none"
        is_bioes = any(label.startswith(("S-", "E-")) for label in self._task.labels)
        self.tag_format = "BIOES" if is_bioes or not self.predict_spans else "BIO"
        self.tagset_size = len(self._task.labels)
        self.use_crf = _START in self._task.labels

    def predict(
        self,
        sentences: Iterable[Sentence] | Sentence,
        mini_batch_size: int = 32,
        return_probabilities_for_all_classes: bool = False,  # noqa: FBT001, FBT002 - flair's signature
        verbose: bool = False,  # noqa: FBT001, FBT002
        label_name: str | None = None,
        return_loss: bool = False,  # noqa: FBT001, FBT002
        embedding_storage_mode: str | None = "none",
        force_token_predictions: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:  # noqa: ANN401 - flair's own
        """Predict labels and put them on the sentences, as `SequenceTagger.predict` does (ST 455-561).

        Arguments, result and errors are those of `Assembled.predict`. `return_probabilities_for_all_classes` puts the
        probabilities on each token, for `get_tags_proba_dist`; `force_token_predictions` labels each token, even if the
        tags are spans.
        """
        refuse(return_loss, "a loss")
        name = self.tag_type if label_name is None else label_name
        asked = Asked(name, return_probabilities_for_all_classes, force_token_predictions or not self.predict_spans)
        return predict(
            [self], sentences, [asked], batch_size=mini_batch_size, verbose=verbose, storage=embedding_storage_mode
        )

    def _of_nothing(self, given: list[Sentence], filled: list[Sentence]) -> list[Sentence]:  # noqa: ARG002
        return filled  # ST 490-497

    def _write(self, sentence: Sentence, found: Outcome, asked: Asked) -> None:
        """Write labels as ST 515-559."""
        if not isinstance(found, TaskTags):
            raise TypeError(found)
        sentence.remove_labels(asked.name)
        if asked.by_token or not self.predict_spans:
            for token, label, score in zip(sentence.tokens, found.labels, found.scores, strict=True):
                if label not in self._task.skipped:  # ST 551-554
                    token.add_label(asked.name, value=label, score=score)
        else:
            unread = self._task.spans == "none"  # flair reads spans from any labels, if it is told to
            for span in decode_spans(found.labels, found.scores) if unread else found.spans:
                sentence[span.start : span.end].add_label(asked.name, value=span.label, score=span.score)
        if asked.all_classes:
            for token, row in zip(sentence.tokens, found.probabilities, strict=True):
                pairs = zip(found.classes, row, strict=True)
                token.add_tags_proba_dist(asked.name, [Label(token, label, share) for label, share in pairs])
