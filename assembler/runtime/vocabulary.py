"""The vocabulary of an embedding table, which maps tokens to rows.

TK is flair 0.15.1's embeddings/token.py.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assembler.interface.table_inputs import Words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.interface.fields import Fields

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How tokens find their rows in one embedding table.

    Attributes:
        name: The table's node in the spec.
        rule: As in `interface.tables.Words`.
        words: The words by row; empty for `hash`.
        unknown: The row of a word that is not found.
        method: For `hash` the digest, by its name in `hashlib`.
        rows: For `hash` the number of rows.
    """

    name: str
    rule: str
    words: tuple[str, ...]
    unknown: int
    method: str
    rows: int
    _row_of: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the lookup."""
        object.__setattr__(self, "_row_of", {word: row for row, word in enumerate(self.words)})

    @classmethod
    def from_metadata(cls, name: str, fields: Fields) -> Vocabulary:
        """Return the vocabulary from the metadata of a model.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        about = Words.from_metadata(fields)
        return cls(name, about.rule, about.words, about.unknown, about.method, about.rows)

    def rows_of(self, tokens: Iterable[str]) -> list[int]:
        """Return the row of each token."""
        if self.rule == "hash":
            return [self._hashed(token) for token in tokens]
        if self.rule == "exact":
            return [self._row_of.get(token, self.unknown) for token in tokens]
        return [self._found(token) for token in tokens]

    def _found(self, token: str) -> int:
        for word in _spellings(token):
            if word in self._row_of:
                return self._row_of[word]
        return self.unknown

    def _hashed(self, token: str) -> int:
        # flair fails on half a surrogate pair, which UTF-8 cannot hold; here it has a row like any other text
        digest = hashlib.new(self.method, token.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        return int(digest, 16) % self.rows


def _spellings(token: str) -> Iterable[str]:
    yield token
    lower = token.lower()
    yield lower
    yield _DIGIT.sub("#", lower)
    yield _DIGIT.sub("0", lower)
