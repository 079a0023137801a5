"""The values that a checkpoint may store under a key, and the check of those that flair receives.

flair passes the values of other keys on as options to the objects that it makes, some of which fetch and run code. So
embeddings with another key are refused, and other keys of a model's state are left out. A test compares the readers'
lists of keys with what flair writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch
from flair.data import Dictionary

from assembler.core.name_rules import LARGEST_SIZE
from assembler.flair_checkpoints.stored_dictionary import check_dictionary, is_text
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.forms.source import Source

#: What a value must be, in words, and the check for it.
Sort: TypeAlias = "tuple[str, Callable[[object], bool]]"
#: The keys of a state or of an embedding, with the sort of each value.
Keys: TypeAlias = "Mapping[str, Sort]"

#: flair reads the delimiter character by character, before each sentence.
_LONGEST_TEXT = 10_000
#: The number of characters of a stranger's name that are shown.
_SHOWN = 60


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


def or_none(sort: Sort) -> Sort:
    """Return the sort of a value that may be `None` too."""
    return f"{sort[0]} or none", lambda value: value is None or sort[1](value)


FLAG: Sort = ("true or false", _is_flag)
COUNT: Sort = ("a size", _is_count)
SHARE: Sort = ("a number from 0 to 1", _is_share)
TEXT: Sort = ("a text", _is_short_text)
BYTES: Sort = ("bytes", lambda value: type(value) is bytes)
TABLE: Sort = ("a table", lambda value: type(value) is dict)
WORDS: Sort = ("a table of words and rows", _are_words)
LABEL_WEIGHTS: Sort = or_none(("a table of labels and numbers", _are_numbers))
THRESHOLDS: Sort = ("numbers", lambda value: _is_number(value) or _are_numbers(value))
DICTIONARY: Sort = ("a dictionary of flair's", lambda value: type(value) is Dictionary)
SWITCH: Sort = ("true or false", lambda value: _is_flag(value) or _is_count(value))

LABELS = "the dictionary of labels"
_CALLED = {"tag_dictionary": LABELS, "label_dictionary": LABELS, "dictionary": "the dictionary of characters"}


def known_values(source: Source, what: str, stored: Mapping[str, object], keys: Keys) -> dict[str, object]:
    """Return the values stored under known keys. Missing keys stay missing, so that flair uses its own defaults.

    Raises:
        SourceError: A value is of another sort (R006).
    """
    given = {key: stored[key] for key in keys if key in stored}
    for key, value in given.items():
        expected, fits = keys[key]
        if not fits(value):
            raise damaged(source, f"{what} has {_shown(value)} as its {key}, expected {expected}")
        if isinstance(value, Dictionary):
            called = _CALLED.get(key, f"the vocabulary of {what}")
            check_dictionary(source, called, value, distinct=called == LABELS)
    return given


def refuse_other_keys(source: Source, what: str, stored: Mapping[str, object], known: set[str]) -> None:
    """Refuse a key that flair does not write (R005)."""
    strange = next((key for key in stored if key not in known), None)
    if strange is not None:
        raise refuse(source, f"{what} has the option {strange!a:.60}, which flair 0.15.1 does not write")


def stored_weights(source: Source, state: Mapping[str, object]) -> dict[str, torch.Tensor]:
    """Return the weights of a state.

    Raises:
        SourceError: There are none (R006).
    """
    stored = state.get("state_dict")
    if not isinstance(stored, dict) or not all(type(name) is str for name in stored):
        raise damaged(source, "the checkpoint has no weights")
    for name, tensor in stored.items():
        if type(tensor) is not torch.Tensor:
            raise damaged(source, f"the weights {name!a:.60} are a {type(tensor).__name__}, expected a tensor")
    return dict(stored)


def stored_class(stored: Mapping[str, object]) -> str:
    """Return the last part of the class that stored embeddings name, or an empty text if they name none."""
    cls = stored.get("__cls__")
    return cls.rpartition(".")[2][:_SHOWN] if type(cls) is str and cls.isprintable() else ""


def _shown(value: object) -> str:
    return f"the value {value!a:.60}" if type(value) in {str, int, float, bool} else f"a {type(value).__name__}"
