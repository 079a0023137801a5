"""The state that flair receives: new tables, with the keys that flair itself writes and values of their types.

flair passes the values of other keys on as options to the objects that it makes, some of which fetch and run code. So
embeddings with another key are refused, and other keys of a model's state are left out. A test compares these lists
with what flair writes. Line numbers are those of flair 0.15.1: ST is models/sequence_tagger_model.py, NN nn/model.py,
TK embeddings/token.py, DO embeddings/document.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from flair.data import Dictionary

from assembler.core.name_rules import LARGEST_SIZE
from assembler.flair_checkpoints.stored_dictionary import check_dictionary, is_text
from assembler.flair_checkpoints.stored_encoder import plain_encoder
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.forms.source import Source

#: What a value must be, in words, and the check for it.
Sort: TypeAlias = "tuple[str, Callable[[object], bool]]"

#: flair reads the delimiter character by character, before each sentence.
_LONGEST_TEXT = 10_000


def _is_flag(value: object) -> bool:
    return type(value) is bool


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SIZE


def _is_number(value: object) -> bool:
    return type(value) in {int, float}


def _is_share(value: object) -> bool:
    return type(value) in {int, float} and 0 <= value <= 1  # type: ignore[operator]


def _is_short_text(value: object) -> bool:
    return is_text(value) and len(value) <= _LONGEST_TEXT  # type: ignore[arg-type]


def _are_numbers(value: object) -> bool:
    return type(value) is dict and all(type(name) is str and _is_number(number) for name, number in value.items())


def _are_words(value: object) -> bool:
    return type(value) is dict and all(type(word) is str and _is_count(row) for word, row in value.items())


def _or_none(sort: Sort) -> Sort:
    return f"{sort[0]} or none", lambda value: value is None or sort[1](value)


_FLAG: Sort = ("true or false", _is_flag)
_COUNT: Sort = ("a size", _is_count)
_SHARE: Sort = ("a number from 0 to 1", _is_share)
_TEXT: Sort = ("a text", _is_short_text)
_BYTES: Sort = ("bytes", lambda value: type(value) is bytes)
_WORDS: Sort = ("a table of words and rows", _are_words)
_WEIGHTS: Sort = _or_none(("a table of labels and numbers", _are_numbers))
_THRESHOLDS: Sort = ("numbers", lambda value: _is_number(value) or _are_numbers(value))
_DICTIONARY: Sort = ("a dictionary of flair's", lambda value: type(value) is Dictionary)
_SWITCH: Sort = ("true or false", lambda value: _is_flag(value) or _is_count(value))

_TAGGER: Mapping[str, Sort] = {  # ST 617-639
    "tag_dictionary": _DICTIONARY, "tag_format": _TEXT, "tag_type": _TEXT, "use_crf": _FLAG, "use_rnn": _FLAG,
    "rnn_layers": _COUNT, "hidden_size": _COUNT, "use_dropout": _SHARE, "use_word_dropout": _SHARE,
    "use_locked_dropout": _SHARE, "rnn_type": _TEXT, "reproject_embeddings": _SWITCH, "weight_dict": _WEIGHTS,
    "train_initial_hidden_state": _FLAG,
}  # fmt: skip
_CLASSIFIER: Mapping[str, Sort] = {  # NN 973-1006, text_classification_model.py 67-106, word_tagger_model.py 79-97
    "label_dictionary": _DICTIONARY, "label_type": _TEXT, "dropout": _SHARE, "word_dropout": _SHARE,
    "locked_dropout": _SHARE, "multi_label": _or_none(_FLAG), "multi_label_threshold": _or_none(_THRESHOLDS),
    "loss_weights": _WEIGHTS, "weight_dict": _WEIGHTS, "train_on_gold_pairs_only": _FLAG, "inverse_model": _FLAG,
}  # fmt: skip
_LANGUAGE_MODEL: Mapping[str, Sort] = {  # models/language_model.py 22-35
    "dictionary": _DICTIONARY, "is_forward_lm": _FLAG, "hidden_size": _COUNT, "nlayers": _COUNT,
    "embedding_size": _COUNT, "nout": _or_none(_COUNT), "document_delimiter": _TEXT, "dropout": _SHARE,
    "recurrent_type": _TEXT, "has_decoder": _FLAG,
}  # fmt: skip
_TABLE: Mapping[str, Sort] = {  # TK 415-424
    "vocab": _WORDS, "stable": _FLAG, "fine_tune": _FLAG, "force_cpu": _FLAG, "field": _or_none(_TEXT),
    "name": _TEXT, "embedding_length": _COUNT,
}  # fmt: skip
_EMBEDDINGS: Mapping[str, Mapping[str, Sort]] = {
    "FlairEmbeddings": {  # TK 853-871, and `with_whitespace`, which flair reads but does not write
        "fine_tune": _FLAG, "chars_per_chunk": _COUNT, "is_lower": _FLAG, "tokenized_lm": _FLAG,
        "name": _or_none(_TEXT), "with_whitespace": _FLAG, "has_decoder": _FLAG,
        "model_params": ("a table", lambda value: type(value) is dict),
    },
    "WordEmbeddings": _TABLE,
    "NILCEmbeddings": _TABLE,
    "OneHotEmbeddings": {  # TK 1197-1203
        "vocab_dictionary": _DICTIONARY, "field": _TEXT, "embedding_length": _COUNT, "stable": _FLAG,
    },
    "HashEmbeddings": {"num_embeddings": _COUNT, "embedding_length": _COUNT, "hash_method": _TEXT},  # TK 1262-1267
    "BytePairEmbeddings": {  # TK 1517-1524
        "name": _TEXT, "spm_model_binary": _BYTES, "dim": _COUNT, "field": _or_none(_TEXT), "preprocess": _FLAG,
    },
}  # fmt: skip
_DOCUMENTS: Mapping[str, Mapping[str, Sort]] = {
    "DocumentPoolEmbeddings": {"pooling": _TEXT, "fine_tune_mode": _TEXT},  # DO 160-165
    "DocumentRNNEmbeddings": {  # DO 420-436
        "hidden_size": _COUNT, "rnn_layers": _COUNT, "reproject_words": _FLAG,
        "reproject_words_dimension": _or_none(_COUNT), "bidirectional": _FLAG, "dropout": _SHARE,
        "word_dropout": _SHARE, "locked_dropout": _SHARE, "rnn_type": _TEXT, "fine_tune": _FLAG,
    },
    "DocumentLMEmbeddings": {},  # DO 529-531
}  # fmt: skip


_LABELS = "the dictionary of labels"
_CALLED = {"tag_dictionary": _LABELS, "label_dictionary": _LABELS, "dictionary": "the dictionary of characters"}


def given_tagger(source: Source, state: Mapping[str, object]) -> dict[str, object]:
    """Return the state of a SequenceTagger for flair.

    Raises:
        SourceError: Its embeddings have an option that flair does not write (R005), or a value is none (R006).
    """
    given = _known(source, "the tagger", state, _TAGGER)
    return given | {"state_dict": _weights(source, state), "embeddings": _stack(source, state.get("embeddings"))}


def given_classifier(source: Source, state: Mapping[str, object], embeddings: str) -> dict[str, object]:
    """Return the state of a classifier for flair.

    Args:
        source: The source, for problems.
        state: The state in the checkpoint.
        embeddings: The key of its embeddings.

    Raises:
        SourceError: Its embeddings have an option that flair does not write (R005), or a value is none (R006).
    """
    given = _known(source, "the classifier", state, _CLASSIFIER)
    stored = state.get(embeddings)
    made = _document(source, stored) if embeddings == "document_embeddings" else _stack(source, stored)
    return given | {"state_dict": _weights(source, state), embeddings: made}


def given_language_model(source: Source, state: Mapping[str, object]) -> dict[str, Any]:
    """Return the state of a language model for flair.

    Raises:
        SourceError: A value is none (R006).
    """
    given = _known(source, "the language model", state, _LANGUAGE_MODEL)
    return given | {"state_dict": _weights(source, state)}


def _weights(source: Source, state: Mapping[str, object]) -> dict[str, torch.Tensor]:
    stored = state.get("state_dict")
    if not isinstance(stored, dict) or not all(type(name) is str for name in stored):
        raise damaged(source, "the checkpoint has no weights")
    for name, tensor in stored.items():
        if type(tensor) is not torch.Tensor:
            raise damaged(source, f"the weights {name!a:.60} are a {type(tensor).__name__}, expected a tensor")
    return dict(stored)


def _stack(source: Source, stored: object) -> dict[str, object]:
    """Return the embeddings of tokens, whose classes were already checked."""
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the tagger are a {type(stored).__name__}")
    if stored.get("__cls__") != "StackedEmbeddings":
        return _embedding(source, "the embedding of the tagger", stored)
    _refuse_others(source, "the stack of the tagger", stored, {"__cls__", "embeddings"})
    children = enumerate(stored["embeddings"])
    made = [_embedding(source, f"embedding {place} of the tagger", child) for place, child in children]
    return {"__cls__": "StackedEmbeddings", "embeddings": made}


def _embedding(source: Source, what: str, stored: dict[str, object]) -> dict[str, object]:
    cls = stored["__cls__"]
    if cls == "TransformerWordEmbeddings":
        return {"__cls__": cls, **plain_encoder(stored)}
    sorts = _EMBEDDINGS[str(cls)]
    _refuse_others(source, what, stored, {"__cls__", *sorts})
    made = {"__cls__": cls, **_known(source, what, stored, sorts)}
    parameters = stored.get("model_params")
    if isinstance(parameters, dict):
        _refuse_others(source, f"the language model of {what}", parameters, set(_LANGUAGE_MODEL))
        made["model_params"] = _known(source, f"the language model of {what}", parameters, _LANGUAGE_MODEL)
    return made


def _document(source: Source, stored: object) -> dict[str, object]:
    """Return the embeddings of documents, whose classes were already checked."""
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the classifier are a {type(stored).__name__}")
    cls, what = str(stored["__cls__"]), "the embeddings of the classifier"
    words = "flair_embeddings" if cls == "DocumentLMEmbeddings" else "embeddings"
    sorts = _DOCUMENTS[cls]
    _refuse_others(source, what, stored, {"__cls__", words, *sorts})
    made = {"__cls__": cls, **_known(source, what, stored, sorts)}
    if cls != "DocumentLMEmbeddings":
        return made | {words: _stack(source, stored.get(words))}
    children = enumerate(stored[words])
    return made | {words: [_embedding(source, f"language model {place} of {what}", child) for place, child in children]}


def _refuse_others(source: Source, what: str, stored: Mapping[str, object], known: set[str]) -> None:
    strange = next((key for key in stored if key not in known), None)
    if strange is not None:
        raise refuse(source, f"{what} has the option {strange!a:.60}, which flair 0.15.1 does not write")


def _known(source: Source, what: str, stored: Mapping[str, object], sorts: Mapping[str, Sort]) -> dict[str, object]:
    """Return the values stored under known keys. Missing keys stay missing, so that flair uses its own defaults."""
    given = {key: stored[key] for key in sorts if key in stored}
    for key, value in given.items():
        expected, fits = sorts[key]
        if not fits(value):
            raise damaged(source, f"{what} has {_shown(value)} as its {key}, expected {expected}")
        if isinstance(value, Dictionary):
            called = _CALLED.get(key, f"the vocabulary of {what}")
            check_dictionary(source, called, value, distinct=called == _LABELS)
    return given


def _shown(value: object) -> str:
    return f"the value {value!a:.60}" if type(value) in {str, int, float, bool} else f"a {type(value).__name__}"
