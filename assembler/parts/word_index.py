"""An index of the words of a table, for a search that operators can do: a hash of each word, and its code points.

A hash is two polynomials over the code points, modulo a prime, with bases for which no two words of the table have the
same pair. The hash finds the one word that a token can be; the code points say whether it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from assembler.core.arrays import Array

#: The prime, so that a product of two numbers below it, and sums of 2**32 of them, are int64.
PRIME = 2**31 - 1
_BITS = 31
_SEED = 20211
#: U+0000 separates tokens in a text, where it is written as the first number that is not a code point.
_NULL = 0x110000


@dataclass(frozen=True, slots=True, eq=False)
class WordIndex:
    """The words that a token of a text can be, in the order of their hashes.

    Attributes:
        powers: The powers of both bases, from the first on, up to the longest word, int64 `[2, characters]`.
        bucket: By how much the first hash is divided for the number of a bucket.
        begins: Where each bucket begins, int32.
        widest: The words of the largest bucket, at least 1.
        keys: The hash of each word, int64: the first times 2**31, plus the second. After the last come -1, so that a
            bucket can be read beyond the end.
        rows: The row of each word, int32, and one more for a table without words.
        offsets: Where the code points of each word begin, int32, and where those of the last end.
        codes: The code points of all words, int32, at least one.
    """

    powers: Array
    bucket: int
    begins: Array
    widest: int
    keys: Array
    rows: Array
    offsets: Array
    codes: Array

    @classmethod
    def of(cls, words: Sequence[str]) -> WordIndex:
        """Index the words of a table by row: of two equal words the later counts, and no token is an empty one.

        A word with a space (U+0020) is no token of a text, and is left out.
        """
        row_of = {word: row for row, word in enumerate(words) if word and " " not in word}
        lengths = np.fromiter(map(len, row_of), np.int64, len(row_of))
        codes = np.frombuffer("".join(row_of).encode("utf-32-le", "surrogatepass"), "<i4").astype(np.int64)
        codes[codes == 0] = _NULL
        ends = np.cumsum(lengths)
        powers, hashes = _hashed(codes, lengths, ends)
        keys = hashes[0] << _BITS | hashes[1]
        order = np.argsort(keys, kind="stable")
        rows = np.fromiter(row_of.values(), np.int32, len(row_of))[order]
        shift = _BITS - max(len(row_of), 1).bit_length()
        begins = np.searchsorted(hashes[0][order] >> shift, np.arange((1 << _BITS - shift) + 1))
        widest = max(1, int(np.diff(begins).max()))
        offsets = np.concatenate([[0], np.cumsum(lengths[order])])
        places = np.repeat((ends - lengths)[order] - offsets[:-1], lengths[order]) + np.arange(len(codes))
        return cls(
            powers,
            1 << shift,
            begins[:-1].astype(np.int32),
            widest,
            np.concatenate([keys[order], np.full(widest, -1)]),
            rows if len(rows) else np.zeros(1, np.int32),
            (offsets if len(rows) else np.zeros(2)).astype(np.int32),
            (codes[places] if len(codes) else np.zeros(1)).astype(np.int32),
        )


def _hashed(
    codes: NDArray[np.int64], lengths: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the powers of two bases, and both hashes of each word, int64 `[2, words]`, no pair of them twice.

    Words that differ do so for all but a few bases, so that the first bases serve but for one table in some thousands.
    """
    places = np.arange(len(codes)) - np.repeat(ends - lengths, lengths)
    longest = max(1, int(lengths.max(initial=0)))
    draw = np.random.default_rng(_SEED)
    while True:
        powers = np.zeros((2, longest), np.int64)
        for row, base in zip(powers, draw.integers(2**20, PRIME, 2).tolist(), strict=True):
            row[0] = base  # not 1, with which all words of one letter would be in one bucket
            for place in range(1, longest):
                row[place] = row[place - 1] * base % PRIME
        hashes = np.zeros((2, len(lengths)), np.int64)
        if len(lengths):
            for row, power in zip(hashes, powers, strict=True):
                row[:] = np.add.reduceat(codes * power[places] % PRIME, ends - lengths) % PRIME
        if len(np.unique(hashes[0] << _BITS | hashes[1])) == len(lengths):
            return powers, hashes
