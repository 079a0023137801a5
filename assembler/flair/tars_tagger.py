"""An assembled TARSTagger inside flair.

TM is flair 0.15.1's models/tars_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flair.data import Dictionary, Sentence
from flair.models import TARSTagger

from assembler.flair.assembled import Assembled
from assembler.flair.refusals import refuse
from assembler.flair.sentences import sentences_of
from assembler.flair.sequence_tagger import OnnxSequenceTagger
from assembler.interface.tasks import TokenTask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.flair.predicting import Asked
    from assembler.interface.tasks import Task
    from assembler.runtime import Outcome


class OnnxTARSTagger(Assembled, TARSTagger):
    """A `TARSTagger` whose inner tagger is an assembled model.

    flair's own code makes the texts with labels and keeps the most probable spans, so tasks are added, switched and
    dropped as in flair, and `predict_zero_shot` is flair's.
    """

    label_pairs = True

    @classmethod
    def writes(cls, task: Task) -> bool:
        """Return whether a task labels tokens."""
        return isinstance(task, TokenTask)

    is_of = writes

    def _set_up(self) -> None:
        pairs = self._runner.interface.label_pairs
        if pairs is None:
            raise TypeError(pairs)
        self.label_nearest_map = None
        self.num_negative_labels_to_sample = None
        self.separator, self.prefix = pairs.separator, pairs.label_first
        self._task_specific_attributes = {}
        for task in pairs.tasks:
            dictionary = Dictionary(add_unk=False)
            for label in task.labels:
                dictionary.add_item(label)
            of_task = {"label_dictionary": dictionary, "label_type": task.label_type, "multi_label": task.multi_label}
            self._task_specific_attributes[task.name] = of_task
        self._current_task: Any = pairs.task
        self.tars_model = OnnxSequenceTagger(self._runner, self._task.name)

    def predict(
        self,
        sentences: Iterable[Sentence] | Sentence,
        mini_batch_size: int = 32,
        return_probabilities_for_all_classes: bool = False,  # noqa: FBT001, FBT002 - flair's signature
        verbose: bool = False,  # noqa: FBT001, FBT002
        label_name: str | None = None,
        return_loss: bool = False,  # noqa: FBT001, FBT002
        embedding_storage_mode: str | None = "none",
        most_probable_first: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:  # noqa: ANN401 - flair's own
        """Predict spans of the current task, as `TARSTagger.predict` does (TM 476-604).

        Raises:
            NotImplementedError: For a loss.
            TypeError: For what are no sentences.
        """
        refuse(return_loss, "a loss")
        return TARSTagger.predict(
            self,
            sentences if isinstance(sentences, Sentence) else sentences_of(sentences),
            mini_batch_size=mini_batch_size,
            return_probabilities_for_all_classes=return_probabilities_for_all_classes,
            verbose=verbose,
            label_name=label_name,
            embedding_storage_mode=embedding_storage_mode,
            most_probable_first=most_probable_first,
        )

    def _write(self, sentence: Sentence, found: Outcome, asked: Asked) -> None:
        """Never called: the inner tagger writes."""
        raise NotImplementedError

    def _changed(self) -> list[str]:
        own, loaded = (_set(each) for each in (self, type(self)(self._runner, self._task.name)))
        return [name for name, value in loaded.items() if own[name] != value]


def _set(model: OnnxTARSTagger) -> dict[str, object]:
    """Return what users of a TARSTagger set, as plain values."""
    tasks = {
        name: (task["label_dictionary"].get_items(), task["label_type"], task["multi_label"])
        for name, task in model._task_specific_attributes.items()  # noqa: SLF001 - this class's own
    }
    return {"current_task": model._current_task, "tasks": tasks, "prefix": model.prefix, "separator": model.separator}  # noqa: SLF001
