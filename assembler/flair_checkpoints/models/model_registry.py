"""The readers of flair's models, by the class that is stored and by the class that is loaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import flair.embeddings
import flair.models
import flair.nn
from flair.embeddings import DocumentEmbeddings, TokenEmbeddings
from flair.models import MultitaskModel
from flair.nn import Model

from assembler.core.name_rules import NAME
from assembler.flair_checkpoints.document_embeddings import document_registry
from assembler.flair_checkpoints.embeddings import embedding_stack
from assembler.flair_checkpoints.embeddings.embedding_registry import with_reason
from assembler.flair_checkpoints.models.prefixed_sequence_tagger import PrefixedSequenceTaggerReader
from assembler.flair_checkpoints.models.sequence_tagger import SequenceTaggerReader
from assembler.flair_checkpoints.models.tars_tagger import TarsTaggerReader
from assembler.flair_checkpoints.models.text_classifier import TextClassifierReader
from assembler.flair_checkpoints.models.text_pair_models import TextPairClassifierReader, TextTripleClassifierReader
from assembler.flair_checkpoints.models.text_regressor import TextRegressorReader
from assembler.flair_checkpoints.models.token_classifier import TokenClassifierReader
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.flair_checkpoints.models.model_reader import ModelReader
    from assembler.forms.source import Source

    Reader: TypeAlias = ModelReader[Any]
    #: A model with labels of its own.
    Labeller: TypeAlias = flair.nn.Model[Any]

#: A class before those that it is derived from.
_READERS: tuple[Reader, ...] = (
    PrefixedSequenceTaggerReader(),
    SequenceTaggerReader(),
    TokenClassifierReader(),
    TextClassifierReader(),
    TarsTaggerReader(),
    TextRegressorReader(),
    TextPairClassifierReader(),
    TextTripleClassifierReader(),
)
_STORED: Mapping[str, Reader] = {name: reader for reader in _READERS for name in reader.names}
_MOST_TASKS, _LONGEST_NAME = 64, 60
_HINT = f"{', '.join(reader.names[0] for reader in _READERS)}, MultitaskModel and LanguageModel can be assembled"


def load_labeller(source: Source, state: object) -> Labeller:
    """Make the model of a state.

    Raises:
        SourceError: It is of another class, or has an option that cannot be assembled (R005), or is damaged (R006).
    """
    if isinstance(state, dict):
        cls = _class(state)
        reader = _STORED.get(cls)
        if reader is None:
            raise refuse(source, f"the checkpoint is {cls}", _HINT)
        if isinstance(reader, SequenceTaggerReader) and "tag_dictionary" not in state:
            raise refuse(source, "the checkpoint is neither a SequenceTagger nor a LanguageModel", _HINT)
        return reader.load(source, state)  # type: ignore[no-any-return]
    reader = _STORED.get(type(state).__name__)
    if reader is None or not isinstance(state, reader.cls):  # a class made from one of them may predict otherwise
        if isinstance(state, Model):
            raise refuse(source, f"the checkpoint is a {type(state).__name__}", _HINT)
        raise refuse(source, f"the checkpoint is a {type(state).__name__}, not a flair model")
    reader.check(source, state)
    model: Labeller = state
    model.eval()  # of a TARSTagger it returns nothing (tars_model.py 135)
    return model


def refused_by_name(names: Sequence[str]) -> tuple[str, str | None] | None:
    """Return why a checkpoint that names some classes would be refused, and what can be assembled, or `None`.

    Args:
        names: The classes, dotted or as flair stores them under `__cls__`. They are compared with those of flair's own
            modules, and nothing is made of them.
    """
    for name in names:
        module, _, cls = name.rpartition(".")
        if module and not module.startswith("flair."):
            continue
        if module == "flair.nn.decoder":
            return "the classifier has a decoder of its own instead of a linear layer", None
        found = vars(flair.models).get(cls, vars(flair.embeddings).get(cls))
        kind = found if isinstance(found, type) else object
        if issubclass(kind, flair.nn.Model) and cls not in {*_STORED, "MultitaskModel"}:
            return f"the checkpoint is {cls}", _HINT
        if issubclass(kind, DocumentEmbeddings) and cls not in document_registry.SUPPORTED:
            return f"the classifier uses {cls}", document_registry.HINT
        if issubclass(kind, TokenEmbeddings) and cls not in embedding_stack.KNOWN:
            return f"the tagger uses {with_reason(cls)}", embedding_stack.HINT
    return None


def reader_of(model: Labeller) -> Reader:
    """Return the reader of a loaded model, which was accepted.

    Raises:
        TypeError: It is of a class that has none.
    """
    for reader in _READERS:
        if isinstance(model, reader.cls):
            return reader
    raise TypeError(model)


def _class(state: Mapping[str, Any]) -> str:
    """Return the class of a state; until 0.11 it was not stored."""
    unnamed = TextClassifierReader if TextClassifierReader.embedded in state else SequenceTaggerReader
    cls = state.get("__cls__", unnamed.names[0])
    return cls if type(cls) is str and cls.isidentifier() and len(cls) <= _LONGEST_NAME else "of no class"


def stored_tasks(source: Source, state: object) -> dict[str, object] | None:
    """Return the states of a MultitaskModel's tasks by name, or `None` if the checkpoint is something else.

    Raises:
        SourceError: A task has a name that no spec can write (R005), or the tasks are damaged (R006).
    """
    if isinstance(state, MultitaskModel):
        tasks: object = dict(state.tasks)
    elif isinstance(state, dict) and _class(state) == "MultitaskModel":
        tasks = state.get("model_states")
    else:
        return None
    if not isinstance(tasks, dict) or not tasks:
        raise damaged(source, "the MultitaskModel of the checkpoint holds no tasks")
    if len(tasks) > _MOST_TASKS:
        raise damaged(
            source, f"the MultitaskModel of the checkpoint has {len(tasks)} tasks, expected at most {_MOST_TASKS}"
        )
    for name, task in tasks.items():
        if not isinstance(name, str) or not re.match(NAME, name):
            hint = "a spec names it source.tasks.NAME: letters, digits and _"
            raise refuse(source, f"a task of the MultitaskModel is named {name!r:.60}", hint)
        cls = _class(task) if isinstance(task, dict) else type(task).__name__
        if cls not in _STORED:
            raise refuse(source, f"the task '{name}' of the MultitaskModel is of the class {cls}", _HINT)
    return tasks
