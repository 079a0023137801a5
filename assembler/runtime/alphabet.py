"""The character dictionary of a language model: code points to ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = 0
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The items of a character dictionary; an item's index is its id.

    Only an item of exactly one code point can match a character: `<unk>` never does. Every other character gets id 0,
    even if 0 belongs to a real character (flair 0.15.1, `Dictionary.get_idx_for_items`: a `defaultdict(int)`). So do
    lone surrogates, because flair keeps its items as UTF-8, which cannot hold them.

    Limits: the lookup table takes eight bytes for each code point up to the highest item, 9 MB at most.

    Attributes:
        items: The items by id. Of two equal ones the later id wins.
    """

    items: tuple[str, ...]
    _ids: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the lookup table, whose last entry is used for every code point beyond it."""
        ids = {ord(item): number for number, item in enumerate(self.items) if len(item) == 1}
        known = {code: number for code, number in ids.items() if code not in _SURROGATES}
        table = np.full(max(known, default=-1) + 2, UNKNOWN, dtype=np.int64)
        table[list(known)] = list(known.values())
        table.setflags(write=False)
        object.__setattr__(self, "_ids", table)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the ids of the code points of `text`, int64 `[code points]`. No normalisation takes place."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        # "clip" maps code points beyond the table to its last entry, which is UNKNOWN.
        return self._ids.take(codes, mode="clip")
