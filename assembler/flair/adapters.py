"""The adapters: for each class of flair's, how results of its models are written to sentences.

A new kind of result needs a class over `Assembled`, and its line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.flair.prefixed_sequence_tagger import OnnxPrefixedSequenceTagger
from assembler.flair.sequence_tagger import OnnxSequenceTagger
from assembler.flair.tars_tagger import OnnxTARSTagger
from assembler.flair.text_classifier import OnnxTextClassifier
from assembler.flair.token_classifier import OnnxTokenClassifier

if TYPE_CHECKING:
    from assembler.flair.assembled import Assembled
    from assembler.interface.tasks import Task
    from assembler.runtime import Interface

ADAPTERS: tuple[type[Assembled], ...] = (
    OnnxSequenceTagger,
    OnnxPrefixedSequenceTagger,
    OnnxTokenClassifier,
    OnnxTextClassifier,
    OnnxTARSTagger,
)


def adapter_of(task: Task, interface: Interface) -> type[Assembled] | None:
    """Return the adapter of the class of flair's that a task comes from, or else the first that can write it.

    Args:
        task: The task.
        interface: That of its model: it says whether there is a prompt, or labels beside texts.
    """
    reads = bool(interface.prompt), interface.label_pairs is not None
    fitting = [adapter for adapter in ADAPTERS if (adapter.prompted, adapter.label_pairs) == reads]
    own = next((adapter for adapter in fitting if adapter.is_of(task)), None)
    return own or next((adapter for adapter in fitting if adapter.writes(task)), None)
