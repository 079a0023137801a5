"""Makes flair's models from the states of checkpoints, after the declared sizes and options were checked.

Every state was read by the unpickler that allows only plain data, or `--trust` allowed an object.

LM is flair 0.15.1's models/language_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from flair.models import LanguageModel, MultitaskModel, SequenceTagger, TextClassifier, TokenClassifier

from assembler.core.name_rules import NAME
from assembler.flair_checkpoints.acceptance import (
    check_classifier,
    check_language_model,
    check_stored_document,
    check_stored_embeddings,
    check_tagger,
)
from assembler.flair_checkpoints.running import flair_at_work
from assembler.flair_checkpoints.sizes import check_classifier_sizes, check_language_model_sizes, check_tagger_sizes
from assembler.flair_checkpoints.stored_state import given_classifier, given_language_model, given_tagger
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.forms.source import Source

#: A model with labels of its own.
Labeller: TypeAlias = "SequenceTagger | TokenClassifier | TextClassifier"

_MOST_TASKS, _LONGEST_NAME = 64, 60
_HINT = "SequenceTagger, TokenClassifier, TextClassifier, MultitaskModel and LanguageModel can be assembled"


def load_labeller(source: Source, state: object) -> Labeller:
    """Make the model of a state.

    Raises:
        SourceError: It is of another class, or has an option that cannot be assembled (R005), or is damaged (R006).
    """
    if isinstance(state, dict):
        cls = _class(state)
        if cls == "SequenceTagger" and "tag_dictionary" in state:
            return _sequence_tagger(source, state)
        if cls == "TokenClassifier":
            return _token_classifier(source, state)
        if cls == "TextClassifier":
            return _text_classifier(source, state)
        what = cls if cls != "SequenceTagger" else "neither a SequenceTagger nor a LanguageModel"
        raise refuse(source, f"the checkpoint is {what}", _HINT)
    if isinstance(state, SequenceTagger):
        check_tagger(source, state)
        return state.eval()
    if isinstance(state, TokenClassifier | TextClassifier):
        check_classifier(source, state)
        return state.eval()
    raise refuse(source, f"the checkpoint is a {type(state).__name__}, not a flair model")


def _class(state: Mapping[str, Any]) -> str:
    """Return the class of a state; until 0.11 it was not stored."""
    cls = state.get("__cls__", "TextClassifier" if "document_embeddings" in state else "SequenceTagger")
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
    from re import match

    for name, task in tasks.items():
        if not isinstance(name, str) or not match(NAME, name):
            hint = "a spec names it source.tasks.NAME: letters, digits and _"
            raise refuse(source, f"a task of the MultitaskModel is named {name!r:.60}", hint)
        cls = _class(task) if isinstance(task, dict) else type(task).__name__
        if cls not in {"SequenceTagger", "TokenClassifier", "TextClassifier"}:
            raise refuse(source, f"the task '{name}' of the MultitaskModel is of the class {cls}", _HINT)
    return tasks


def _sequence_tagger(source: Source, state: dict[str, Any]) -> SequenceTagger:
    layers = state.get("rnn_type", "LSTM")
    if type(layers) is not str or layers not in {"LSTM", "GRU", "RNN"}:
        got = f"{layers!a:.60}" if type(layers) is str else f"a {type(layers).__name__}"
        raise refuse(source, f"the tagger has recurrent layers of the unknown type {got}")
    check_stored_embeddings(source, state.get("embeddings"))
    check_tagger_sizes(source, state)
    if isinstance(state.get("embeddings"), dict):  # otherwise an object, which --trust allowed
        state = given_tagger(source, state)
    tagger: SequenceTagger = _loaded(source, SequenceTagger.load, state)
    check_tagger(source, tagger)
    return tagger


def _token_classifier(source: Source, state: dict[str, Any]) -> TokenClassifier:
    _refuse_options(source, state)
    check_stored_embeddings(source, state.get("embeddings"))
    check_classifier_sizes(source, state, state.get("embeddings"))
    if isinstance(state.get("embeddings"), dict):
        state = given_classifier(source, state, "embeddings")
    classifier: TokenClassifier = _loaded(source, TokenClassifier.load, state)
    check_classifier(source, classifier)
    return classifier


def _text_classifier(source: Source, state: dict[str, Any]) -> TextClassifier:
    _refuse_options(source, state)
    check_stored_document(source, state.get("document_embeddings"))
    check_classifier_sizes(source, state, state.get("document_embeddings"))
    if isinstance(state.get("document_embeddings"), dict):
        state = given_classifier(source, state, "document_embeddings")
    classifier: TextClassifier = _loaded(source, TextClassifier.load, state)
    check_classifier(source, classifier)
    return classifier


def _refuse_options(source: Source, state: Mapping[str, Any]) -> None:
    """Refuse options from which flair would make further modules, before it makes them."""
    if state.get("decoder") is not None:
        raise refuse(source, "the classifier has a decoder of its own instead of a linear layer")
    if state.get("inverse_model"):
        raise refuse(source, "the classifier was trained with reversed gradients (inverse_model)")


def _loaded(source: Source, load: Callable[[dict[str, Any]], Any], state: dict[str, Any]) -> Any:  # noqa: ANN401
    with flair_at_work(source, "load this checkpoint"):
        return load(state)


def load_language_model(source: Source, state: Mapping[str, Any]) -> LanguageModel:
    """Load a state that was read safely as `LanguageModel.load_language_model` does (LM 191-212)."""
    check_language_model_sizes(source, state)
    state = given_language_model(source, state)
    with flair_at_work(source, "load this language model"):
        model = LanguageModel(
            dictionary=state["dictionary"],
            is_forward_lm=bool(state["is_forward_lm"]),
            hidden_size=state["hidden_size"],
            nlayers=state["nlayers"],
            embedding_size=state["embedding_size"],
            nout=state["nout"],
            document_delimiter=state.get("document_delimiter", "\n"),
            dropout=state["dropout"],
            recurrent_type=state.get("recurrent_type", "lstm"),
            has_decoder=False,
        )
        model.load_state_dict(state["state_dict"], strict=False)
    missing = set(model.state_dict()) - set(state["state_dict"])
    if missing:
        raise damaged(source, f"the checkpoint lacks {', '.join(sorted(missing))}")
    check_language_model(source, model)
    return model.eval()
