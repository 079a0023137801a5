"""An assembled classifier of tokens inside flair.

NN is flair 0.15.1's nn/model.py, WT its models/word_tagger_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flair.models import TokenClassifier

from assembler.flair.assembled import Assembled
from assembler.interface.tasks import TokenTask
from assembler.runtime import TaskTags, Wanted

if TYPE_CHECKING:
    from flair.data import Sentence

    from assembler.flair.predicting import Asked
    from assembler.interface.tasks import Task
    from assembler.runtime import Outcome

#: What flair's classifier has beside what `predict` follows here: the type of the labels.
_SETTLED = frozenset(
    [
        "decoder",
        "dropout",
        "embeddings",
        "final_embedding_size",
        "gradient_reversal",
        "inverse_model",
        "label_dictionary",
        "locked_dropout",
        "loss_function",
        "loss_weights",
        "multi_label",
        "multi_label_threshold",
        "should_embed_sentence",
        "span_encoding",
        "span_prediction_problem",
        "train_on_gold_pairs_only",
        "weight_dict",
        "word_dropout",
    ]
)


class OnnxTokenClassifier(Assembled, TokenClassifier):  # type: ignore[misc] # embeddings are a property here
    """A `TokenClassifier` whose numbers come from an assembled model.

    `predict` and `evaluate` do what flair's do. What an assembled model cannot follow raises `NotImplementedError` when
    it is set, and so does what needs the weights in torch when it is called.
    """

    settled = _SETTLED
    _task: TokenTask

    @classmethod
    def writes(cls, task: Task) -> bool:
        """Return whether a task comes from a TokenClassifier: it writes `_`, which a SequenceTagger leaves out."""
        return isinstance(task, TokenTask) and task.skipped == ("O",)

    is_of = writes

    def _set_up(self) -> None:
        self._label_type = self._task.label_type
        self.multi_label = False
        self.multi_label_threshold = 0.5
        self.span_prediction_problem = self._task.spans != "none"
        is_bioes = any(label.startswith(("S-", "E-")) for label in self._task.labels)
        self.span_encoding = "BIOES" if is_bioes or not self.span_prediction_problem else "BIO"

    def _wanted(self, asked: Asked, *, vectors: bool) -> Wanted:
        return Wanted(force_tokens=True, probabilities=asked.all_classes, embeddings=vectors)

    def _write(self, sentence: Sentence, found: Outcome, asked: Asked) -> None:
        """Write labels of tokens as NN 865-902 does, and let flair read the spans from them (WT 124-165).

        Labels of spans that are there already stay, as in flair: only those of tokens are removed.
        """
        if not isinstance(found, TaskTags):
            raise TypeError(found)
        for place, token in enumerate(sentence.tokens):
            token.remove_labels(asked.name)
            rows = [(found.labels[place], found.scores[place])]
            if asked.all_classes:
                rows = [*zip(found.classes, found.probabilities[place], strict=True)]
            for label, score in rows:
                if label not in self._task.skipped:
                    token.add_label(asked.name, value=label, score=score)
        self._post_process_batch_after_prediction([sentence], asked.name)  # type: ignore[no-untyped-call]
