"""An assembled tagger that reads each sentence behind a prompt, inside flair.

PT is flair 0.15.1's models/prefixed_tagger.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from flair.data import Sentence
from flair.models import PrefixedSequenceTagger
from flair.models.prefixed_tagger import EntityTypeTaskPromptAugmentationStrategy

from assembler.flair.assembled import Assembled
from assembler.flair.refusals import refuse
from assembler.flair.sentences import sentences_of
from assembler.flair.sequence_tagger import OnnxSequenceTagger

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from assembler.runtime import TaskRunner


class OnnxPrefixedSequenceTagger(PrefixedSequenceTagger, OnnxSequenceTagger):  # type: ignore[misc] # embeddings, load
    """A `PrefixedSequenceTagger` whose numbers come from an assembled model.

    flair's own code puts the prompt before sentences and copies the spans back (PT 226-298), by the strategy in
    `augmentation_strategy`, which can be set. Between the two, an `OnnxSequenceTagger` predicts. So flair's quirks are
    kept: without `label_name`, labels that a sentence has already stay.
    """

    prompted = True

    def __init__(self, runner: TaskRunner, task: str | None = None) -> None:
        """Take a loaded model, as `Assembled` does."""
        Assembled.__init__(self, runner, task)

    _fetch_model = staticmethod(Assembled._fetch_model)  # noqa: SLF001 - flair's class has names of its own

    @classmethod
    def load(
        cls, model_path: str | os.PathLike[str] | dict[str, Any], *, task: str | None = None, verify: bool = True
    ) -> Self:
        """Load an assembled model; arguments and errors are those of `Assembled.load`."""
        return super(PrefixedSequenceTagger, cls).load(model_path, task=task, verify=verify)

    def _set_up(self) -> None:
        super()._set_up()
        prompt = self._runner.interface.prompt
        strategy = EntityTypeTaskPromptAugmentationStrategy([*prompt.entity_types] or [*prompt.words])
        strategy.task_prompt = [*prompt.words]
        self.augmentation_strategy = strategy

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
        """Predict spans and put them on the sentences, as `PrefixedSequenceTagger.predict` does.

        Arguments and errors are those of `Assembled.predict`. As in flair, `force_token_predictions` changes nothing,
        and probabilities and embeddings are put on the sentences with the prompt, so that they are lost.
        """
        refuse(return_loss, "a loss")
        return PrefixedSequenceTagger.predict(
            self,
            sentences if isinstance(sentences, Sentence) else sentences_of(sentences),
            mini_batch_size=mini_batch_size,
            return_probabilities_for_all_classes=return_probabilities_for_all_classes,
            verbose=verbose,
            label_name=label_name,
            embedding_storage_mode=embedding_storage_mode,
            force_token_predictions=force_token_predictions,
        )
