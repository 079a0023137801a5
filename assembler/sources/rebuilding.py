"""Makes torch's tensors and flair's dictionaries of what was read from a checkpoint."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from flair.data import Dictionary

from assembler.sources.checkpoint import DamagedError, StoredDictionary, StoredFile, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

#: flair's own form is nested eight deep.
_DEEPEST = 64
_PLAIN = frozenset({type(None), bool, int, float, str, bytes, set})


def rebuilt(value: object) -> object:
    """Return a value with torch's and flair's objects in it.

    Args:
        value: What `read_checkpoint` gives. Lists and tables that hold such objects are made anew.

    Raises:
        DamagedError: It is nested deeper than any checkpoint, or holds what has no value.
    """
    return _Rebuilding().of(value, 0)


class _Rebuilding:
    """Remembers what was made, so that what stands in many places is made once."""

    def __init__(self) -> None:
        self._made: dict[int, object] = {}

    def of(self, value: object, depth: int) -> object:
        if type(value) in _PLAIN:
            return value
        if id(value) in self._made:
            return self._made[id(value)]
        make = _MAKERS.get(type(value))
        if make is None:
            message = f"it holds a {type(value).__name__} where a value is expected"
            raise DamagedError(message)
        if depth > _DEEPEST:
            message = f"it is nested more than {_DEEPEST} deep"
            raise DamagedError(message)
        made = self._made[id(value)] = make(self, value, depth + 1)
        return made

    def table(self, value: dict[object, object], depth: int) -> dict[object, object]:
        if all(type(item) in _PLAIN for item in value.values()):
            return value
        return {key: self.of(item, depth) for key, item in value.items()}

    def items(self, value: list[object], depth: int) -> list[object]:
        return [self.of(item, depth) for item in value]

    def row(self, value: tuple[object, ...], depth: int) -> tuple[object, ...]:
        return tuple(self.of(item, depth) for item in value)

    def dictionary(self, value: StoredDictionary, depth: int) -> Dictionary:
        """Make flair's dictionary; its cache gives unknown characters the row 0 (data.py 116)."""
        if value.attributes is None or "idx2item" not in value.attributes or "item2idx" not in value.attributes:
            message = "a dictionary of flair's has no items"
            raise DamagedError(message)
        attributes = {name: self.of(item, depth) for name, item in value.attributes.items()}
        cache = attributes.get("item2idx_not_encoded")
        if isinstance(cache, dict):
            attributes["item2idx_not_encoded"] = defaultdict(int, cache)
        items = attributes["idx2item"]
        attributes.setdefault("add_unk", isinstance(items, list) and b"<unk>" in items)  # before 0.9 (data.py 158)
        dictionary = Dictionary(add_unk=False)
        vars(dictionary).clear()
        vars(dictionary).update(attributes)
        return dictionary

    def file(self, value: StoredFile, _: int) -> io.BytesIO:
        if value.content is None:
            message = "a file in memory has no content"
            raise DamagedError(message)
        return io.BytesIO(value.content)

    def tensor(self, value: Tensor, _: int) -> torch.Tensor:
        made = torch.from_numpy(value.array)
        return made.view(torch.bfloat16) if value.storage.element.name == "bfloat16" else made


_MAKERS: dict[type, Callable[..., object]] = {
    dict: _Rebuilding.table,
    list: _Rebuilding.items,
    tuple: _Rebuilding.row,
    StoredDictionary: _Rebuilding.dictionary,
    StoredFile: _Rebuilding.file,
    Tensor: _Rebuilding.tensor,
}
