"""Which sentences run together, and in which order: flair's rule."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from assembler.runtime.token import without_empty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.runtime.context import Readable

    Tokens = tuple[str, ...]

Sentence = TypeVar("Sentence")

#: The most characters of a batch with more than one sentence, padding included: 128 texts of 2,048.
MOST_CELLS = 1 << 18


def read_sentences(sentences: Iterable[Sequence[str]]) -> Iterator[Tokens]:
    """Return the sentences one by one, without their empty tokens, which flair drops. Tokens of white space stay.

    Args:
        sentences: Lists of tokens.

    Raises:
        TypeError: At once if the sentences are a string or not a list; when it is read if a sentence is, or a token is
            not a string.
    """
    require_listed("sentences", "lists of tokens", sentences)
    return (_read(tokens, number) for number, tokens in enumerate(sentences))


def require_listed(name: str, of: str, value: object) -> None:
    """Refuse a value that cannot be read one by one, and a string, which would be read letter by letter.

    Raises:
        TypeError: It is one of these.
    """
    if isinstance(value, str):
        message = f"{name}: expected a list of {of}, got the string {reprlib.repr(value)}"
        raise TypeError(message)
    if not isinstance(value, Iterable):
        message = f"{name}: expected a list of {of}, got {type(value).__name__}: {reprlib.repr(value)}"
        raise TypeError(message)


def _read(tokens: Sequence[str], number: int) -> Tokens:
    if isinstance(tokens, str) or not isinstance(tokens, Sequence):
        message = f"sentence {number}: expected a list of tokens, got {type(tokens).__name__}: {reprlib.repr(tokens)}"
        raise TypeError(message)
    for position, token in enumerate(tokens):
        if not isinstance(token, str):
            got = f"{type(token).__name__}: {reprlib.repr(token)}"
            message = f"sentence {number}, token {position}: expected a string, got {got}"
            raise TypeError(message)
    return without_empty(tokens)


def batches(sentences: Sequence[Readable], size: int, cells: int = MOST_CELLS) -> Iterator[list[int]]:
    """Yield the numbers of the sentences of each batch.

    Sentences with tokens are sorted by their count of tokens, most first, equal ones in the caller's order, and cut
    into batches of `size` (flair 0.15.1, models/sequence_tagger_model.py 490-501). The others are in no batch. A batch
    is padded to its longest text. A batch that would then have more than `cells` characters is split by the lengths, so
    that one long text does not widen all others. One sentence is never split.
    """
    tagged = (number for number, sentence in enumerate(sentences) if sentence.sentences)
    order = sorted(tagged, key=lambda number: len(sentences[number].tokens), reverse=True)
    for start in range(0, len(order), size):
        yield from _within(order[start : start + size], sentences, cells)


def _within(batch: list[int], sentences: Sequence[Readable], cells: int) -> Iterator[list[int]]:
    widths = {number: sum(map(len, sentences[number].tokens)) + len(sentences[number].tokens) for number in batch}
    if len(batch) * max(widths.values()) <= cells:
        yield batch
        return
    place = {number: index for index, number in enumerate(batch)}
    part: list[int] = []
    for number in sorted(batch, key=widths.__getitem__):
        if part and (len(part) + 1) * widths[number] > cells:
            yield sorted(part, key=place.__getitem__)
            part = []
        part.append(number)
    yield sorted(part, key=place.__getitem__)


def even_size(count: int, most: int) -> int:
    """Return the size of equally large batches of at most `most`, because a small last one would waste its lanes."""
    return -(-count // -(-count // most)) if count else most


def windows(sentences: Iterable[Sentence], size: int) -> Iterator[list[Sentence]]:
    """Yield the sentences in lists of `size`, reading no further than the requested list."""
    remaining = iter(sentences)
    while window := list(islice(remaining, size)):
        yield window


def require_positive(name: str, value: int) -> int:
    """Return `value`, which must be at least 1.

    Raises:
        ValueError: If it is less.
    """
    if value < 1:
        message = f"{name}: expected at least 1, got {value}"
        raise ValueError(message)
    return value
