"""Cases for the parts that look up the tokens of a text in a table of words, with the rows that a host would find."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from assembler.parts.word_index import WordIndex
from assembler.proof.builtin_sample import evenly
from assembler.runtime.text import NULL
from assembler.runtime.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.interface.table_inputs import Words

#: The most words of a table that are looked up, and the tokens of a text and the texts of a batch in which they are.
_MOST, _TOKENS, _TEXTS = 2048, 16, 128
#: Tokens that are lower-cased, spelled or cut in a way of their own.
_HARD = (
    "\u0130", "\u0130STANBUL", "I\u0307", "\u0391\u03a3", "\u03a3", "\u0391\u0301\u03a3", ".\u03a3",
    "\u0391\u03a3.\u0391", "\u1e9e", "STRA\u1e9eE", "2024", "1.5", "\u0661\u0662", "\U0001d7d9", "\u00b2", "#", "0",
    "\U0001f600", "\u200b", "\u200bx", "\ud83d", "\0", "e\u0301", "\u00a0", "x" * 5000, "\U0010ffff",
)  # fmt: skip


def known_words(about: Words) -> tuple[int, int]:
    """Return how many words of a table are looked up, and how many there are that a text can hold."""
    count = len(_held(about))
    return min(count, _MOST), count


def _held(about: Words) -> list[str]:
    return [word for word in dict.fromkeys(about.words) if word and " " not in word]


def word_cases(about: Words) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
    """Yield texts with the places of their tokens, and the row of each token (`parts.text_embedding`).

    They are words of the table, each as it is, in upper case, with another last letter, one shorter and one longer;
    and tokens that are hard to spell.
    """
    vocabulary = Vocabulary("", about.rule, about.words, about.unknown, about.method, about.rows)
    words = [*evenly(_held(about), _MOST)]
    tokens = [*_HARD, *(each for word in words for each in _near(word))]
    tokens = [token for token in dict.fromkeys(tokens) if token and " " not in token]
    rows = [tokens[begin : begin + _TOKENS] for begin in range(0, len(tokens), _TOKENS)]
    batches: list[list[list[str]]] = [rows[begin : begin + _TEXTS] for begin in range(0, len(rows), _TEXTS)]
    batches += [[tokens[:1]], [[]]]
    for batch in batches:
        inputs = _placed([[_codes(token) for token in row] for row in batch])
        found = np.full((len(batch), inputs["starts"].size // len(batch)), about.unknown, np.int64)
        for row, own in zip(found, batch, strict=True):
            row[: len(own)] = vocabulary.rows_of(own)
        yield inputs, {"words": found.ravel()}
    if others := _with_the_hashes_of(words, WordIndex.of(about.words)):
        yield _placed([others]), {"words": np.full(len(others), about.unknown, np.int64)}


def _with_the_hashes_of(words: Sequence[str], index: WordIndex) -> list[list[int]]:
    """Return tokens that are no words, but have all hashes of some words, so that code points alone tell them apart.

    Two of their code points are others, some of which are no characters.
    """
    steps = same_hashes(index)
    chosen = [_codes(word) for word in words if len(word) > 1][:_TOKENS]
    return [[word[0] + steps[0], word[1] + steps[1], *word[2:]] for word in chosen]


def same_hashes(index: WordIndex) -> tuple[int, int]:
    """Return by how much the first two code points of a word can change with no change of any of its hashes.

    With the bases joined into one modulo the product of all primes, the changes are the pairs with `first + second *
    base = 0`: a lattice, of which this is the shortest vector that Gauss's reduction finds.
    """
    product = math.prod(index.primes)
    bases = zip(index.powers[:, 0].tolist(), index.primes, strict=True)
    base = sum(each * (product // prime) * pow(product // prime, -1, prime) for each, prime in bases) % product
    short, long = (-base, 1), (product, 0)
    while True:
        if _squared(short) > _squared(long):
            short, long = long, short
        times = round((short[0] * long[0] + short[1] * long[1]) / _squared(short))
        if times == 0:
            return short
        long = long[0] - times * short[0], long[1] - times * short[1]


def _squared(pair: tuple[int, int]) -> int:
    return pair[0] ** 2 + pair[1] ** 2


def _codes(token: str) -> list[int]:
    return [ord(letter) or NULL for letter in token]


def _near(word: str) -> tuple[str, ...]:
    return word, word.upper(), word[:-1] + chr(ord(word[-1]) ^ 1), word[:-1], word + word[-1]


def _placed(batch: Sequence[Sequence[Sequence[int]]]) -> dict[str, Array]:
    """Return what a part of kind `text_tokens` gives for tokens of code points."""
    widths = np.zeros((len(batch), max(1, *map(len, batch), 0)), np.int64)
    for row, tokens in zip(widths, batch, strict=True):
        row[: len(tokens)] = [*map(len, tokens)]
    there = widths > 0
    ends = np.where(there, np.cumsum(widths + there, axis=1) - 1, 0)
    starts = ends - widths
    sizes = ends.max(axis=1)
    text = np.zeros((len(batch), max(1, int(sizes.max()))), np.int64)
    for row, tokens in zip(text, batch, strict=True):
        codes = [code for token in tokens for code in (*token, 32)][:-1]
        row[: len(codes)] = codes
    return {"text": text, "sizes": sizes, "starts": starts.ravel(), "ends": ends.ravel()}
