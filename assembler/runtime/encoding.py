"""Sentences to the arrays that a model's inputs want. A pure function: no session, no weights."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.runtime.context import InContext, in_context
from assembler.runtime.inputs import (
    CharacterLengths,
    Characters,
    FirstSubtokens,
    Indices,
    LastSubtokens,
    PieceRows,
    Striping,
    SubtokenIds,
    SubtokenMask,
    SubtokenWords,
    Text,
    TokenLengths,
    Unfilled,
    Words,
)
from assembler.runtime.text import encode_text
from assembler.runtime.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from assembler.runtime.inputs import Input, OfTokenizer
    from assembler.runtime.interface import Interface
    from assembler.runtime.language_model import LanguageModel
    from assembler.runtime.subtokens import Subtokens

    Encoded: TypeAlias = "NDArray[np.int64] | NDArray[np.int32]"


def encode(interface: Interface, sentences: Sequence[Sequence[str] | InContext]) -> dict[str, Encoded]:
    """Return the inputs of a model for one batch.

    The layouts are the contract with every host. With S sentences, T tokens in the longest of them and C characters in
    the longest text, markers counted:

    - characters `[C, S]`: start marker, tokens joined by one space, end marker; reversed by code point between the
      markers for a backward language model; shorter texts are padded at their end.
    - indices `[S * T]`: `position * S + sentence`, sentence-major; behind a shorter sentence stands its position 0.
    - character lengths and token lengths `[S]`.
    - words `[S * T]`: the row of each token in its table, sentence-major; 0 behind a shorter sentence.
    - subtokens and their mask `[P, L]`, with P pieces, one or several for each sentence, of up to L subtokens.
    - first and last subtokens `[S * T]`: `piece * L + position`, sentence-major; `P * L` where there is none.
    - subtoken words `[P, L]`: `sentence * T + position` of the token that a subtoken is a part of, or -1.
    - pieces `[S * T, 2]`: the rows of each token's first and last piece, sentence-major; 0 behind a shorter sentence.
    - striping `[parts * S * T]`: each row of all parts in turn, `0, N, 1, N + 1, …` for two parts of `N = S * T` rows.
    - text `[S, C]`, int32: the code points of the tokens joined by one space, padded with 0.

    Positions count the characters of the text as it was given, also where the language model reads it lowercased: one
    "İ" becomes two characters, and flair's positions behind it are off by one (flair 0.15.1, embeddings/token.py 801
    and 817). The runtime is to give what flair gives.

    A language model on untokenised text (`tokenized: false`) reads the spaces that are behind the tokens
    (`Token.spaces`) instead of one each, without white space at the end of the sentence.

    Args:
        interface: The model's interface.
        sentences: At least one, each with at least one token and without empty tokens. Where an encoder reads the
            neighbours of a sentence too, those are its neighbours here, unless it is given with a context of its own.

    Returns:
        A C-contiguous array for each input, int64 unless it says otherwise above, by the input's name, in the
        interface's order.

    Raises:
        ValueError: If there is no sentence, or a sentence without tokens or with an empty one; for a text also if a
            token holds a space.
        ModelError: M014 for an input that cannot be filled from text, M018 if its library is not installed, M019 for a
            sentence too long for an encoder.
    """
    given = _with_contexts(sentences, interface.context)
    grid = _Grid.of([sentence.tokens for sentence in given])
    fed = (entry for entry in interface.inputs if isinstance(entry, Characters | CharacterLengths | Indices))
    models = {entry.language_model.name: entry.language_model for entry in fed}
    read = {
        tokenized: Texts.of(grid.sentences, grid.widths, tokenized=tokenized)
        for tokenized in sorted({model.tokenized for model in models.values()})
    }
    framed = {name: _Framed(model, read[model.tokenized]) for name, model in models.items()}
    cut = {tokenizer.name: tokenizer.encode(given) for tokenizer in interface.tokenizers}
    return {entry.name: _fill(entry, grid, framed, cut) for entry in interface.inputs}


def _with_contexts(sentences: Sequence[Sequence[str] | InContext], length: int) -> list[InContext]:
    given = [each.tokens if isinstance(each, InContext) else tuple(each) for each in sentences]
    found = in_context(given, length)
    return [each if isinstance(each, InContext) else around for each, around in zip(sentences, found, strict=True)]


@dataclass(frozen=True, slots=True)
class _Grid:
    """The sentences as rows of one token grid.

    Attributes:
        counts: Tokens in each sentence, int64 `[S]`.
        widths: Code points in each token, 0 behind the sentence's end, int64 `[S, T]`.
        filled: Where the grid holds a token, bool `[S, T]`.
        tokens: The tokens, sentence by sentence.
        sentences: The tokens of each sentence.
    """

    counts: NDArray[np.int64]
    widths: NDArray[np.int64]
    filled: NDArray[np.bool_]
    tokens: tuple[str, ...]
    sentences: Sequence[Sequence[str]]

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
        return cls(counts, widths, filled, tokens, sentences)


def _fill(  # noqa: C901, PLR0911 - one return for each rule
    entry: Input, grid: _Grid, framed: Mapping[str, _Framed], cut: dict[str, Subtokens]
) -> Encoded:
    match entry:
        case Characters(language_model=model):
            return framed[model.name].characters()
        case CharacterLengths(language_model=model):
            return framed[model.name].lengths
        case Indices(language_model=model):
            return framed[model.name].indices(grid.filled)
        case TokenLengths():
            return grid.counts
        case Words(vocabulary=vocabulary):
            table_rows = np.zeros(grid.filled.shape, dtype=np.int64)
            table_rows[grid.filled] = vocabulary.rows_of(grid.tokens)
            return table_rows.ravel()
        case SubtokenIds() | SubtokenMask() | FirstSubtokens() | LastSubtokens() | SubtokenWords():
            return _of_subtokens(entry, cut[entry.tokenizer.name])
        case PieceRows(pieces=pieces):
            pairs = np.zeros((*grid.filled.shape, 2), dtype=np.int64)
            pairs[grid.filled] = pieces.rows_of(grid.tokens)
            return pairs.reshape(-1, 2)
        case Striping(parts=parts):
            rows = np.arange(parts * grid.filled.size, dtype=np.int64)
            return rows.reshape(parts, -1).T.ravel()
        case Text():
            return encode_text(grid.sentences)
        case Unfilled():
            raise ModelError(entry.problem())


def _of_subtokens(entry: OfTokenizer, subtokens: Subtokens) -> NDArray[np.int64]:
    match entry:
        case SubtokenIds():
            return subtokens.ids
        case SubtokenMask():
            return subtokens.mask
        case FirstSubtokens():
            return subtokens.first
        case LastSubtokens():
            return subtokens.last
        case SubtokenWords():
            return subtokens.words


class _Framed:
    """The texts of a batch as one language model reads them.

    Attributes:
        lengths: The characters of each, markers included, int64 `[S]`.
    """

    __slots__ = ("_model", "_own", "_padded", "_texts", "lengths")

    def __init__(self, model: LanguageModel, texts: Texts) -> None:
        """Frame the texts. One whose tokens are taken to stand behind its end goes on as flair's padding does."""
        framed = model.frame(texts.texts)
        needed = texts.extents + len(model.start_marker) + len(model.end_marker)
        self._model, self._texts = model, texts
        self._own = _lengths(framed)
        self._padded = [text.ljust(length) for text, length in zip(framed, needed.tolist(), strict=True)]
        self.lengths = _lengths(self._padded)

    def characters(self) -> NDArray[np.int64]:
        """Return the ids, time first."""
        inside = np.arange(self.lengths.max()) < self.lengths[:, np.newaxis]
        rows = np.full(inside.shape, self._model.padding, dtype=np.int64)
        rows[inside] = self._model.alphabet.encode("".join(self._padded))
        return np.ascontiguousarray(rows.T)

    def indices(self, filled: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return where the state of each token stands (TK 817-842).

        In the reversed text, what follows a token in the sentence comes before it. A position before the text's
        beginning counts from the end of the text, as it does in flair where the sentence is tagged alone.
        """
        numbers = np.arange(len(filled), dtype=np.int64)[:, np.newaxis]
        positions = self._texts.ends
        if self._model.backward:
            positions = _lengths(self._texts.texts)[:, np.newaxis] - self._texts.begins
        positions = positions + len(self._model.start_marker) - (0 if self._model.with_whitespace else 1)
        positions = np.where(positions < 0, positions + self._own[:, np.newaxis], positions)
        return np.where(filled, positions * len(filled) + numbers, numbers).ravel()


def _lengths(texts: Sequence[str]) -> NDArray[np.int64]:
    return np.fromiter(map(len, texts), np.int64, len(texts))
