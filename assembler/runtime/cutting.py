"""The pieces of a batch for a transformer encoder, and their arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: The word of a subtoken that belongs to no token of the sentence.
NO_WORD = -1


@dataclass(frozen=True, slots=True)
class Subtokens:
    """A batch as an encoder reads it. An overlong sentence is several pieces, one after another.

    Attributes:
        ids: int64 `[pieces, subtokens]`.
        mask: int64 `[pieces, subtokens]`, 1 where there is a subtoken.
        words: int64 `[pieces, subtokens]`, the row of the token in the grid of tokens, sentence-major; -1 for none.
        first: int64 `[total_tokens]`, the place of each token's first subtoken in the flattened ids; the index after
            the last place for a token without subtokens and after a sentence's end.
        last: int64 `[total_tokens]`, the same of its last subtoken.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    words: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """The ids of one piece, and for each the number of its token in the sentence."""

    ids: list[int]
    words: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cut:
    """The pieces of each sentence of a batch.

    Attributes:
        sentences: The pieces of each.
        padding: The id after the end of a shorter piece.
    """

    sentences: Sequence[Sequence[Piece]]
    padding: int

    def counts(self) -> NDArray[np.int64]:
        """Return the pieces of each sentence."""
        return np.fromiter(map(len, self.sentences), np.int64, len(self.sentences))

    def lengths(self) -> NDArray[np.int64]:
        """Return the subtokens of the longest piece of each sentence."""
        longest = (max(len(piece.ids) for piece in pieces) for pieces in self.sentences)
        return np.fromiter(longest, np.int64, len(self.sentences))

    def grid(self, tokens: int, count: int = 0, length: int = 0) -> Subtokens:
        """Return the arrays of the batch.

        Args:
            tokens: The tokens of a row of the grid of tokens.
            count: The number of pieces, if it must be larger than it is: the first piece is then repeated, for no
                token.
            length: The subtokens of a piece, if they must be more than the longest piece has.
        """
        pieces = [piece for found in self.sentences for piece in found]
        shape = max(len(pieces), count), max(length, int(self.lengths().max()))
        ids = np.full(shape, self.padding, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        words = np.full(shape, NO_WORD, dtype=np.int64)
        for row, piece in enumerate([*pieces, *pieces[:1] * (shape[0] - len(pieces))]):
            ids[row, : len(piece.ids)] = piece.ids
            mask[row, : len(piece.ids)] = 1
        row = 0
        for number, found in enumerate(self.sentences):
            for piece in found:
                in_grid = piece.words + number * tokens
                words[row, : len(piece.ids)] = np.where(piece.words == NO_WORD, NO_WORD, in_grid)
                row += 1
        return _placed(ids, mask, words, tokens * len(self.sentences))


def _placed(ids: NDArray[np.int64], mask: NDArray[np.int64], words: NDArray[np.int64], tokens: int) -> Subtokens:
    flat = words.ravel()
    places = np.flatnonzero(flat != NO_WORD)
    first, last = np.full(tokens, flat.size, dtype=np.int64), np.full(tokens, flat.size, dtype=np.int64)
    first[flat[places[::-1]]] = places[::-1]  # the last one written stays
    last[flat[places]] = places
    return Subtokens(ids, mask, words, first, last)
