"""An index of the words of a table, for a search that operators can do: hashes of each word, and its code points.

A hash is a polynomial over the code points, modulo a small prime. Two of them number the bucket that a word is in, the
others are its key there. No two words of a table have the same bucket and key. So the hashes find the one word that a
token can be, and the code points say whether it is.

Some engines compute whole numbers as float32 (OpenVINO 2026.4 does on processors). So no number of the search is above
2**24, up to which those are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from assembler.core.arrays import Array

    Integers = NDArray[np.int64]

#: A key has two hashes, the first times this; primes are below it. Their products are below 2**22, where the quotient
#: of a float32 division is still on the right side of each whole number.
KEY_BASE = 2048
#: The fewest values of one of the hashes that number a bucket.
_LEAST = 61
_SEED = 20211
#: After so many bases under which two words have the same bucket and key, keys become longer.
_PATIENCE = 16
#: U+0000 separates tokens in a text, where it is written as the first number that is not a code point.
_NULL = 0x110000


@dataclass(frozen=True, slots=True, eq=False)
class WordIndex:
    """The words that a token of a text can be, by buckets.

    Attributes:
        primes: The prime of each hash: two that number a bucket, and two for each key.
        powers: The powers of each hash's base, from the first on, up to the longest word, int32 `[hashes, characters]`.
        begins: Where each bucket begins, int32; the number of a bucket is its first hash times the second prime, plus
            its second hash.
        widest: The words of the largest bucket, at least 1.
        keys: The keys of each word, int32 `[keys, words + widest]`. After those of the last word come -1, so that a
            bucket can be read beyond the end.
        rows: The row of each word, int32; at least one.
        offsets: Where the code points of each word begin, int32, and where those of the last end.
        codes: The code points of all words, int32; at least one.
    """

    primes: tuple[int, ...]
    powers: Array
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
        primes, powers, buckets, keys, order = _placed(codes, lengths)
        counts = np.bincount(buckets, minlength=primes[0] * primes[1])
        widest = max(1, int(counts.max()))
        ends, offsets = np.cumsum(lengths), np.concatenate([[0], np.cumsum(lengths[order])])
        places = np.repeat((ends - lengths)[order] - offsets[:-1], lengths[order]) + np.arange(len(codes))
        rows = np.fromiter(row_of.values(), np.int64, len(row_of))[order]
        arrays = (
            np.pad(keys[:, order], ((0, 0), (0, widest)), constant_values=-1),
            rows if len(rows) else np.zeros(1),
            offsets if len(rows) else np.zeros(2),
            codes[places] if len(codes) else np.zeros(1),
        )
        begins = (np.cumsum(counts) - counts).astype(np.int32)
        return cls(primes, powers.astype(np.int32), begins, widest, *(array.astype(np.int32) for array in arrays))


def _placed(codes: Integers, lengths: Integers) -> tuple[tuple[int, ...], Integers, Integers, Integers, Integers]:
    """Return primes, powers, the bucket and the keys of each word, and the words in the order of these.

    The first bases serve, but for one table in some dozens.
    """
    begins = np.cumsum(lengths) - lengths
    places = np.arange(len(codes)) - np.repeat(begins, lengths)
    draw = np.random.default_rng(_SEED)
    tries = 0
    while True:
        primes = _primes(len(lengths), 1 + tries // _PATIENCE)
        powers = np.array([_powers(prime, draw, int(lengths.max(initial=1))) for prime in primes], np.int64)
        hashes = np.zeros((len(primes), len(lengths)), np.int64)
        for row, power, prime in zip(hashes, powers, primes, strict=True):
            row[:] = np.add.reduceat(codes % prime * power[places] % prime, begins) % prime if len(lengths) else 0
        buckets, keys = hashes[0] * primes[1] + hashes[1], hashes[2::2] * KEY_BASE + hashes[3::2]
        order = np.lexsort((*keys, buckets))
        ranked = np.vstack([buckets, keys])[:, order]
        if not (ranked[:, 1:] == ranked[:, :-1]).all(axis=0).any():
            return primes, powers, buckets, keys, order
        tries += 1


def _powers(prime: int, draw: np.random.Generator, count: int) -> list[int]:
    """Return the first powers of a base. It is not 1, with which words of the same letters have the same hash."""
    base = int(draw.integers(2, prime - 1))
    powers = [base]
    while len(powers) < count:
        powers.append(powers[-1] * base % prime)
    return powers


def _primes(words: int, keys: int) -> tuple[int, ...]:
    """Return two primes for about as many buckets as words, and the two largest that are left for each key."""
    least = min(max(_LEAST, math.isqrt(words)), KEY_BASE - 50)
    near, large = _primes_in(range(least, KEY_BASE)), _primes_in(range(KEY_BASE - 1, 1, -1))
    return (next(near), next(near), *(next(large) for _ in range(2 * keys)))


def _primes_in(numbers: Sequence[int]) -> Iterator[int]:
    return (number for number in numbers if all(number % factor for factor in range(2, math.isqrt(number) + 1)))
