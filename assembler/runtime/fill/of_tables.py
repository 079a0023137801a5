"""The inputs of tables of word vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from assembler.runtime.fill.rule import OfTokens
from assembler.runtime.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import NDArray

    from assembler.interface.ports import InputEntry
    from assembler.runtime.fill.batch import Batch
    from assembler.runtime.fill.rule import Described
    from assembler.runtime.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Words(OfTokens):
    """An input of rows of an embedding table, one per token, int64 `[total_tokens]`."""

    rule: ClassVar[str] = "words"
    vocabulary: Vocabulary

    @classmethod
    def subjects(cls, known: Described) -> Mapping[str, Vocabulary]:
        """Return the vocabularies of words."""
        return {table: each for table, each in known.tables.items() if not isinstance(each, Pieces)}

    @classmethod
    def of(cls, entry: InputEntry, known: Described) -> Self:
        """Return the input of an entry of the metadata."""
        return cls(entry.name, cls.subjects(known)[entry.subject])

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the rows."""
        rows = np.zeros(batch.filled.shape, dtype=np.int64)
        rows[batch.filled] = self.vocabulary.rows_of(batch.tokens)
        return rows.ravel()


@dataclass(frozen=True, slots=True)
class PieceRows(OfTokens):
    """An input of two rows of an embedding table for each token, int64 `[total_tokens, 2]`."""

    rule: ClassVar[str] = "pieces"
    pieces: Pieces

    @classmethod
    def subjects(cls, known: Described) -> Mapping[str, Pieces]:
        """Return the models of word pieces."""
        return {table: each for table, each in known.tables.items() if isinstance(each, Pieces)}

    @classmethod
    def of(cls, entry: InputEntry, known: Described) -> Self:
        """Return the input of an entry of the metadata."""
        return cls(entry.name, cls.subjects(known)[entry.subject])

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the rows of the first and of the last piece."""
        pairs = np.zeros((*batch.filled.shape, 2), dtype=np.int64)
        pairs[batch.filled] = self.pieces.rows_of(batch.tokens)
        return pairs.reshape(-1, 2)
