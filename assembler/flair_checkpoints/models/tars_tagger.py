"""`TARSTagger`: a SequenceTagger of entities that reads a label and a text together, once for each label.

TM is flair 0.15.1's models/tars_model.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from flair.data import Dictionary
from flair.models import TARSTagger

from assembler.flair_checkpoints.declared_sizes import Need
from assembler.flair_checkpoints.embeddings import embedding_stack
from assembler.flair_checkpoints.models.model_reader import ModelReader
from assembler.flair_checkpoints.models.sequence_tagger import SequenceTaggerReader, head_weights
from assembler.flair_checkpoints.stored_dictionary import check_dictionary, is_text
from assembler.flair_checkpoints.stored_values import COUNT, DICTIONARY, FLAG, LABELS, TEXT, or_none
from assembler.flair_checkpoints.trust import damaged, refuse
from assembler.interface.label_pairs import LabelPairs, LabelTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flair.embeddings import TokenEmbeddings

    from assembler.core.arrays import Array
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.opened import Tagged
    from assembler.forms.source import Source
    from assembler.weights.heads import TaggerHeadWeights

_INNER = SequenceTaggerReader()
#: What flair stores of a task (TM 222-226).
_OF_A_TASK = frozenset({"label_dictionary", "label_type", "multi_label"})
#: The labels of the inner tagger: O and the four of `entity`, in BIOES.
_INNER_LABELS = 5


def _are_tasks(value: object) -> bool:
    return type(value) is dict and bool(value) and all(is_text(name) and _is_task(task) for name, task in value.items())


def _is_task(value: object) -> bool:
    if type(value) is not dict or value.keys() != _OF_A_TASK or type(value["label_dictionary"]) is not Dictionary:
        return False
    return is_text(value["label_type"]) and type(value["multi_label"]) is bool


class TarsTaggerReader(ModelReader[TARSTagger]):
    """Reads `TARSTagger`. What is proven and run is its inner tagger, on texts with a label; hosts make the texts."""

    cls = TARSTagger
    names = ("TARSTagger",)
    called = "the tagger"
    embedded = "tars_embeddings"
    keys: ClassVar[Keys] = {  # TM 422-434
        "current_task": TEXT, "tag_type": TEXT, "tag_dictionary": DICTIONARY, "prefix": or_none(FLAG),
        "num_negative_labels_to_sample": or_none(COUNT), "task_specific_attributes": ("tables of labels", _are_tasks),
    }  # fmt: skip

    def needs(self, state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
        """Yield the weights of the encoder, and of the linear layer."""
        del state
        yield from embedding_stack.stack_needs(stored, "tars_model.embeddings.")
        features = ("embedding_length", embedding_stack.stack_length(stored))
        yield Need("tars_model.linear.weight", (("labels", _INNER_LABELS), features))

    def check(self, source: Source, model: TARSTagger) -> None:
        """Refuse damaged tasks, and encoders that read the neighbours of a sentence."""
        tasks = model._task_specific_attributes  # noqa: SLF001 - flair has no other name for them
        if not _are_tasks(tasks) or model._current_task not in tasks:  # noqa: SLF001
            raise damaged(source, "the tasks of the tagger are no tables of labels, or lack its current task")
        for task in tasks.values():
            check_dictionary(source, LABELS, task["label_dictionary"], distinct=True)
        members = self.members(model)
        embedding_stack.check_members(source, members)
        if any(getattr(embedding, "context_length", 0) for embedding in members):
            hint = "flair gives a text with a label the neighbours of the text, or other such texts if it has none"
            raise refuse(source, "the encoder of the tagger reads neighbours (use_context)", hint)

    def members(self, model: TARSTagger) -> list[TokenEmbeddings]:
        """Return the embeddings of the inner tagger."""
        return embedding_stack.members(model.tars_model.embeddings)

    def head(self, model: TARSTagger) -> TaggerHeadWeights:
        """Return the head of the inner tagger, which knows how labels and texts are joined."""
        return replace(head_weights(model.tars_model), label_pairs=_pairs(model))

    def predict(
        self, model: TARSTagger, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool
    ) -> list[Tagged]:
        """Tag texts by the inner tagger."""
        return _INNER.predict(model.tars_model, sentences, batch_size, exact_sums=exact_sums)

    def decode(self, model: TARSTagger, emissions: Array, lengths: Array) -> list[Tagged]:
        """Decide as the inner tagger."""
        return _INNER.decode(model.tars_model, emissions, lengths)

    def spans(
        self, model: TARSTagger, labels: Sequence[str], scores: Sequence[float]
    ) -> list[tuple[int, int, str, float]]:
        """Return the spans of the inner tagger."""
        return _INNER.spans(model.tars_model, labels, scores)


def _pairs(model: TARSTagger) -> LabelPairs:
    tasks = tuple(
        LabelTask(name, task["label_type"], tuple(task["label_dictionary"].get_items()), task["multi_label"])
        for name, task in model._task_specific_attributes.items()  # noqa: SLF001
    )
    return LabelPairs(model.separator, bool(model.prefix), str(model._current_task), tasks)  # noqa: SLF001
