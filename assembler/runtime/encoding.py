"""Sentences to the arrays that a model's inputs want. A pure function: no session, no weights."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.errors import ModelError
from assembler.runtime.interface import (
    CharacterLengths,
    Characters,
    Indices,
    Striping,
    Text,
    TokenLengths,
    Unfilled,
    Words,
)
from assembler.runtime.text import encode_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from assembler.runtime.interface import Interface, LanguageModel

    Encoded: TypeAlias = "NDArray[np.int64] | NDArray[np.int32]"


def encode(interface: Interface, sentences: Sequence[Sequence[str]]) -> dict[str, Encoded]:
    """Return the inputs of a model for one batch.

    The layouts are the contract with every host. With S sentences, T tokens in the longest of them and C characters in
    the longest text, markers counted:

    - characters `[C, S]`: start marker, tokens joined by one space, end marker; reversed by code point between the
      markers for a backward language model; shorter texts are padded at their end.
    - indices `[S * T]`: `position * S + sentence`, sentence-major; behind a shorter sentence stands its position 0.
    - character lengths and token lengths `[S]`.
    - words `[S * T]`: the row of each token in its table, sentence-major; 0 behind a shorter sentence.
    - striping `[parts * S * T]`: each row of all parts in turn, `0, N, 1, N + 1, …` for two parts of `N = S * T` rows.
    - text `[S, C]`, int32: the code points of the tokens joined by one space, padded with 0.

    Positions count the characters of the text as it was given, also where the language model reads it lowercased: one
    "İ" becomes two characters, and flair's positions behind it are off by one (flair 0.15.1, embeddings/token.py 801
    and 817). The runtime is to give what flair gives.

    Args:
        interface: The model's interface.
        sentences: At least one, each with at least one token and without empty tokens.

    Returns:
        A C-contiguous array for each input, int64 unless it says otherwise above, by the input's name, in the
        interface's order.

    Raises:
        ValueError: If there is no sentence, or a sentence without tokens or with an empty one; for a text also if a
            token holds a space.
        ModelError: M014 for an input that cannot be filled from text.
    """
    grid = _Grid.of(sentences)
    joined = [" ".join(tokens) for tokens in sentences]
    fed = [entry.language_model for entry in interface.inputs if isinstance(entry, Characters | CharacterLengths)]
    framed = {model.name: model.frame(joined) for model in fed}
    return {
        entry.name: encode_text(sentences) if isinstance(entry, Text) else _fill(entry, grid, framed)
        for entry in interface.inputs
    }


@dataclass(frozen=True, slots=True)
class _Grid:
    """The sentences as rows of one token grid.

    Attributes:
        counts: Tokens in each sentence, int64 `[S]`.
        widths: Code points in each token, 0 behind the sentence's end, int64 `[S, T]`.
        filled: Where the grid holds a token, bool `[S, T]`.
        tokens: The tokens, sentence by sentence.
    """

    counts: NDArray[np.int64]
    widths: NDArray[np.int64]
    filled: NDArray[np.bool_]
    tokens: tuple[str, ...]

    @classmethod
    def of(cls, sentences: Sequence[Sequence[str]]) -> _Grid:
        """Return the grid of the sentences, which have to hold something to tag."""
        if not sentences:
            message = "expected at least one sentence, got none"
            raise ValueError(message)
        for number, sentence in enumerate(sentences):
            if not sentence or "" in sentence:
                got = reprlib.repr(list(sentence))
                message = f"sentence {number}: expected at least one token and no empty ones, got {got}"
                raise ValueError(message)
        counts = np.fromiter(map(len, sentences), np.int64, len(sentences))
        filled = np.arange(counts.max()) < counts[:, np.newaxis]
        widths = np.zeros(filled.shape, dtype=np.int64)
        tokens = tuple(token for sentence in sentences for token in sentence)
        widths[filled] = [len(token) for token in tokens]
        return cls(counts, widths, filled, tokens)


def _fill(
    entry: Characters | CharacterLengths | Indices | TokenLengths | Words | Striping | Unfilled,
    grid: _Grid,
    framed: dict[str, list[str]],
) -> NDArray[np.int64]:
    match entry:
        case Characters(language_model=model):
            return _characters(model, framed[model.name])
        case CharacterLengths(language_model=model):
            return _lengths(framed[model.name])
        case Indices(language_model=model):
            return _indices(model, grid)
        case TokenLengths():
            return grid.counts
        case Words(vocabulary=vocabulary):
            table_rows = np.zeros(grid.filled.shape, dtype=np.int64)
            table_rows[grid.filled] = vocabulary.rows_of(grid.tokens)
            return table_rows.ravel()
        case Striping(parts=parts):
            rows = np.arange(parts * grid.filled.size, dtype=np.int64)
            return rows.reshape(parts, -1).T.ravel()
        case Unfilled():
            raise ModelError(entry.problem())


def _lengths(texts: list[str]) -> NDArray[np.int64]:
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _characters(model: LanguageModel, texts: list[str]) -> NDArray[np.int64]:
    lengths = _lengths(texts)
    inside = np.arange(lengths.max()) < lengths[:, np.newaxis]
    rows = np.full(inside.shape, model.padding, dtype=np.int64)
    rows[inside] = model.alphabet.encode("".join(texts))
    return np.ascontiguousarray(rows.T)


def _indices(model: LanguageModel, grid: _Grid) -> NDArray[np.int64]:
    sentences, tokens = grid.filled.shape
    numbers = np.arange(sentences, dtype=np.int64)[:, np.newaxis]
    positions = _backward_ends(grid) if model.backward else np.cumsum(grid.widths, axis=1) + np.arange(tokens)
    positions += len(model.start_marker) - (0 if model.with_whitespace else 1)
    return np.where(grid.filled, positions * sentences + numbers, numbers).ravel()


def _backward_ends(grid: _Grid) -> NDArray[np.int64]:
    """Return where each token ends in the reversed text, in which what follows it in the sentence comes before it."""
    following = grid.counts[:, np.newaxis] - 1 - np.arange(grid.filled.shape[1])
    remaining: NDArray[np.int64] = np.cumsum(grid.widths[:, ::-1], axis=1)[:, ::-1] + following
    return remaining
