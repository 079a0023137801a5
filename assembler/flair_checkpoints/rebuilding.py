"""Makes torch's tensors and flair's dictionaries from the values read from a checkpoint."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from flair.data import Dictionary
from flair.models.prefixed_tagger import EntityTypeTaskPromptAugmentationStrategy

from assembler.flair_checkpoints.pickles import DamagedError, StoredDictionary, StoredFile, StoredStrategy, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: flair's own form is nested eight deep.
_DEEPEST = 64
#: How many times its own size a file may expand to, if a value that is named in several places counts at each of them.
#: The tasks of one model each hold its embeddings; a file of a few bytes can name one list 2^40 times.
_MOST_REPEATED = 32
#: A small file may repeat itself more often.
_SMALL = 1 << 20
_TEXTS = (str, bytes)
_PLAIN = frozenset({type(None), bool, int, float, str, bytes, set})


def rebuilt(value: object, size: int) -> object:
    """Return a value with torch's and flair's objects in it.

    Walking the result, from its top to each leaf, takes time and memory in proportion to the file.

    Args:
        value: The result of `read_checkpoint`. Lists and tables that hold such objects are made anew.
        size: The bytes of the file.

    Raises:
        DamagedError: It is nested deeper than any checkpoint, repeats parts of itself more often, or holds an object
            without a value.
    """
    made = _Rebuilding(_MOST_REPEATED * size + _SMALL)
    made.count(value)
    return made.of(value)


class _Rebuilding:
    """Remembers what was made, so that a value in many places is made once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[int, object] = {}
        self._extents: dict[int, tuple[int, int]] = {}

    def count(self, value: object, depth: int = 0) -> tuple[int, int]:
        """Return the height of a value, and its bytes, where a value in several places counts at each of them.

        Raises:
            DamagedError: One of them is out of bounds.
        """
        if type(value) in _PLAIN:
            return 0, _weight(value)
        known = self._extents.get(id(value))
        if known is None:
            if depth > _DEEPEST:
                raise _too_deep()
            inner = [self.count(item, depth + 1) for item in _items(value)]
            height = 1 + max((height for height, _ in inner), default=0)
            known = height, _weight(value) + sum(weight for _, weight in inner)
            self._extents[id(value)] = known
        height, weight = known
        if depth + height > _DEEPEST + 1:
            raise _too_deep()
        if weight > self._most:
            message = "it repeats parts of itself so often that it is many times as large as the file"
            raise DamagedError(message)
        return known

    def of(self, value: object) -> object:
        """Return a value with torch's and flair's objects. Its depth was already checked."""
        if type(value) in _PLAIN:
            return value
        if id(value) in self._made:
            return self._made[id(value)]
        make = _MAKERS.get(type(value))
        if make is None:
            message = f"it holds a {type(value).__name__} where a value is expected"
            raise DamagedError(message)
        made = self._made[id(value)] = make(self, value)
        return made

    def table(self, value: dict[object, object]) -> dict[object, object]:
        if all(type(item) in _PLAIN for item in value.values()):
            return value
        return {key: self.of(item) for key, item in value.items()}

    def items(self, value: list[object]) -> list[object]:
        return [self.of(item) for item in value]

    def row(self, value: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(self.of(item) for item in value)

    def dictionary(self, value: StoredDictionary) -> Dictionary:
        """Make flair's dictionary; its cache assigns unknown characters the row 0 (data.py 116)."""
        if value.attributes is None or "idx2item" not in value.attributes or "item2idx" not in value.attributes:
            message = "a dictionary of flair's has no items"
            raise DamagedError(message)
        attributes = {name: self.of(item) for name, item in value.attributes.items()}
        cache = attributes.get("item2idx_not_encoded")
        if isinstance(cache, dict):
            attributes["item2idx_not_encoded"] = defaultdict(int, cache)
        items = attributes["idx2item"]
        attributes.setdefault("add_unk", isinstance(items, list) and b"<unk>" in items)  # before 0.9 (data.py 158)
        dictionary = Dictionary(add_unk=False)
        vars(dictionary).clear()
        vars(dictionary).update(attributes)
        return dictionary

    def strategy(self, value: StoredStrategy) -> EntityTypeTaskPromptAugmentationStrategy:
        """Make flair's strategy with its attributes, which are checked where the model is."""
        if value.attributes is None:
            message = "an augmentation strategy of flair's has no words"
            raise DamagedError(message)
        strategy = EntityTypeTaskPromptAugmentationStrategy(["entity"])
        vars(strategy).update({name: self.of(item) for name, item in value.attributes.items()})
        return strategy

    def file(self, value: StoredFile) -> io.BytesIO:
        if value.content is None:
            message = "a file in memory has no content"
            raise DamagedError(message)
        return io.BytesIO(value.content)

    def tensor(self, value: Tensor) -> torch.Tensor:
        made = torch.from_numpy(value.array)
        return made.view(torch.bfloat16) if value.storage.element.name == "bfloat16" else made


def _too_deep() -> DamagedError:
    return DamagedError(f"it is nested more than {_DEEPEST} deep")


def _items(value: object) -> Iterable[object]:
    """Return the values inside a value. The keys of tables are texts, bytes and numbers."""
    if isinstance(value, StoredDictionary | StoredStrategy):
        value = value.attributes
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _weight(value: object) -> int:
    """Return the bytes of a value alone, about the least that a file needs for it."""
    if isinstance(value, Tensor):
        return value.size
    content = value.content if isinstance(value, StoredFile) else value
    return 1 + (len(content) if isinstance(content, _TEXTS) else 0)


_MAKERS: dict[type, Callable[..., object]] = {
    dict: _Rebuilding.table,
    list: _Rebuilding.items,
    tuple: _Rebuilding.row,
    StoredDictionary: _Rebuilding.dictionary,
    StoredFile: _Rebuilding.file,
    StoredStrategy: _Rebuilding.strategy,
    Tensor: _Rebuilding.tensor,
}
