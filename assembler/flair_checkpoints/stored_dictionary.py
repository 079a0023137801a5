"""Accepts or refuses flair's dictionaries, which map characters, words and labels to rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.flair_checkpoints.trust import damaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flair.data import Dictionary

    from assembler.forms.source import Source


def check_dictionary(source: Source, what: str, dictionary: Dictionary, *, distinct: bool = False) -> None:
    """Refuse a dictionary of anything other than UTF-8 and rows.

    Raises:
        SourceError: It is one (R006).
    """
    parts = vars(dictionary)
    items, rows = parts.get("idx2item"), parts.get("item2idx")
    decoded = parts.get("item2idx_not_encoded", {})  # flair's own cache of the same (data.py 116)
    if not isinstance(items, list) or not isinstance(rows, dict) or not isinstance(decoded, dict):
        raise damaged(source, f"{what} is none")
    switches = [parts.get(name, False) for name in ("add_unk", "multi_label", "span_labels")]
    if not all(type(switch) is bool for switch in switches):
        raise damaged(source, f"{what} has switches that are neither true nor false")
    _check_items(source, what, [*items, *rows])
    if distinct and len(set(items)) < len(items):
        twice = next(item for item, count in Counter(items).items() if count > 1)
        raise damaged(source, f"{what} holds {_shown(twice)} twice")
    for item, row in (*rows.items(), *decoded.items()):
        if not is_id(row) or row >= len(items):
            raise damaged(source, f"{what} gives {_shown(item)} a row that none of its {len(items)} items has")
    for item, row in decoded.items():  # flair adds unknown items that it meets, with the row 0: any text at all
        if not isinstance(item, str) or (row and not is_text(item)):
            raise damaged(source, f"{what} holds {_shown(item)}, which is no text")


def _check_items(source: Source, what: str, items: list[object]) -> None:
    for item in items:
        if type(item) is not bytes:
            raise damaged(source, f"{what} holds {_shown(item)}, which is no UTF-8")
        try:
            item.decode("utf-8")
        except UnicodeDecodeError as err:
            raise damaged(source, f"{what} holds {_shown(item)}, which is no UTF-8") from err


def items_by_id(looked_up: Mapping[str, int], rows: int, what: str) -> tuple[str, ...]:
    """Return the items by id, an empty text where there is none. The item with id 0 is treated like an unknown one.

    Raises:
        SourceError: Two items have one id, or an id has no row (R005), which a list cannot represent.
    """
    items = [""] * rows
    for item, number in looked_up.items():
        if not 0 <= number < rows or (number and items[number]):
            other = f"like '{items[number]}'" if 0 <= number < rows else f"but there are {rows} rows"
            message = f"{what} of the model gives '{item}' the id {number}, {other}"
            raise SourceError(Problem("R005", message, "the dictionary was changed after the model was made"))
        items[number] = items[number] or item
    return tuple(items)


def is_id(value: object) -> bool:
    """Return whether a value is the number of a row."""
    return type(value) is int and value >= 0


def is_text(value: object) -> bool:
    """Return whether a value is text that can be written as UTF-8: half a surrogate pair cannot."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _shown(value: object) -> str:
    return f"{value!r:.60}" if isinstance(value, str | bytes) else f"a {type(value).__name__}"
