"""Tokens to the subtokens of a transformer encoder, and back to the tokens that they stand for.

TF is flair 0.15.1's embeddings/transformer.py. The tokeniser itself is the library `tokenizers`, from the JSON that the
model carries.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.cutting import NO_WORD, Cut, Piece
from assembler.runtime.tokenizer_bounds import unbounded_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from assembler.runtime.context import InContext
    from assembler.runtime.fields import Fields

_SIZES = range(2**31)
_LONGEST_REASON = 300


class _Encoding(Protocol):
    """What is used of `tokenizers.Encoding`, which has no types of its own."""

    ids: list[int]
    word_ids: list[int | None]
    overflowing: list[_Encoding]


class _Tokenizer(Protocol):
    def encode_batch(
        self, texts: list[list[str]], *, is_pretokenized: bool, add_special_tokens: bool
    ) -> list[_Encoding]: ...
    def enable_truncation(self, max_length: int, *, stride: int) -> None: ...
    def num_special_tokens_to_add(self, *, is_pair: bool) -> int: ...


@dataclass(frozen=True, slots=True)
class Subtokenizer:
    """How tokens become subtokens of one encoder.

    Attributes:
        name: The node of the spec that the encoder is.
        padding: The id behind a shorter piece.
        most: The most subtokens of a piece, special ones counted; 0 for no limit.
        stride: How many subtokens the next piece of an overlong sentence repeats; 0 if it is cut instead.
        context: How many tokens of the neighbours stand on each side.
        separator: The token between a sentence and its context, or `None`.
        documents: Whether the context ends where a document does.
        positions: How many subtokens the encoder has positions for.
    """

    name: str
    padding: int
    most: int
    stride: int
    context: int
    separator: str | None
    documents: bool
    positions: int
    file: str | None
    _tokenizer: _Tokenizer = field(repr=False, compare=False)

    @classmethod
    def from_metadata(cls, name: str, fields: Fields) -> Subtokenizer:
        """Return the subtokeniser that the metadata of a model states.

        Raises:
            ModelError: M013 for a field that is missing or damaged, M018 if the library `tokenizers` is not installed.
        """
        most, stride = fields.number("most", _SIZES), fields.number("stride", _SIZES)
        tokenizer = _loaded(fields)
        if most:
            _limit(tokenizer, most, stride, fields)
        return cls(
            name=name,
            padding=fields.number("padding", _SIZES),
            most=most,
            stride=stride,
            context=fields.number("context", _SIZES),
            separator=fields.optional_text("separator"),
            documents=fields.flag("documents"),
            positions=fields.number("positions", _SIZES),
            file=fields.file,
            _tokenizer=tokenizer,
        )

    def cut(self, sentences: Sequence[InContext]) -> Cut:
        """Return a batch of sentences as the pieces that the encoder reads.

        Raises:
            ModelError: M019 for a sentence of more subtokens than the encoder has positions.
        """
        texts = [self._with_context(sentence) for sentence in sentences]
        with _told(self._failed):
            encodings = self._tokenizer.encode_batch(
                [text for text, _ in texts], is_pretokenized=True, add_special_tokens=True
            )
        found = []
        for sentence, encoding, (_, start) in zip(sentences, encodings, texts, strict=True):
            pieces = [encoding, *encoding.overflowing] if self.stride else [encoding]
            found.append(tuple(self._pieces(pieces, start, len(sentence.tokens))))
        return Cut(tuple(found), self.padding)

    def _failed(self, why: str) -> ModelError:
        message = f"the tokeniser of the encoder '{self.name}' fails on this text: {why}"
        hint = "the metadata of this file is damaged: assemble the model again"
        return ModelError(Problem("M013", message, hint, self.file))

    def _with_context(self, sentence: InContext) -> tuple[list[str], int]:
        """Return the text with its context, and where the sentence begins in it (TF 660-690)."""
        left = list(sentence.left[len(sentence.left) - min(self.context, len(sentence.left)) :])
        right = list(sentence.right[: self.context])
        if self.separator is not None:
            left, right = [*left, self.separator], [self.separator, *right]
        return [_whole(token) for token in (*left, *sentence.tokens, *right)], len(left)

    def _pieces(self, encodings: Sequence[_Encoding], start: int, count: int) -> Iterator[Piece]:
        """Yield the pieces of one sentence, with the words of those subtokens that count.

        Of pieces that overlap each subtoken counts once: those at the edges of a piece count in the neighbour, where
        they have more context (TF 60-84).
        """
        half, last = self.stride // 2, len(encodings) - 1
        for number, encoding in enumerate(encodings):
            if len(encoding.ids) > self.positions:
                message = f"a sentence of {count} tokens has {len(encoding.ids)} subtokens, the encoder '{self.name}' "
                message += f"has positions for {self.positions}"
                raise ModelError(Problem("M019", message, "split the sentence", self.file))
            words = np.fromiter(
                (NO_WORD if word is None else word - start for word in encoding.word_ids), np.int64, len(encoding.ids)
            )
            words[(words < 0) | (words >= count)] = NO_WORD
            if last:
                place = np.arange(len(words))
                counts = (place > half) & (place < self.most - 1 - half)
                counts |= (place <= half) if number == 0 else False
                counts |= (place >= self.most - 1 - half) if number == last else False
                words[~counts] = NO_WORD
            yield Piece(encoding.ids, words)


def _whole(token: str) -> str:
    """Return a token without halves of surrogate pairs, which `tokenizers` cannot read; flair fails on them."""
    return token.encode("utf-8", "replace").decode("utf-8")


def _loaded(fields: Fields) -> _Tokenizer:
    try:
        library = import_module("tokenizers")
    except ImportError as err:
        message = f"the encoder '{fields.place.rpartition('.')[2]}' needs the package 'tokenizers'"
        hint = "install this package with its extra 'tokenizers': pip install '.[tokenizers]'"
        raise ModelError(Problem("M018", message, hint, fields.file)) from err
    key = "tokenizer"
    text = fields.text(key)
    unbounded = unbounded_steps(_parsed(text))
    if unbounded is not None:
        raise fields.error(key, unbounded)
    with _told(lambda why: fields.error(key, f"the library 'tokenizers' does not read it: {why}")):
        tokenizer: _Tokenizer = library.Tokenizer.from_str(text)
    return tokenizer


def _parsed(text: str) -> object:
    """Return a tokeniser's JSON, and nothing where it is none: the library says what is wrong with it."""
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed


@contextmanager
def _told(problem: Callable[[str], ModelError]) -> Iterator[None]:
    """Turn what the library raises of a tokeniser that a file made up into a problem.

    It raises bare `Exception`, and where its Rust code panics a `PanicException`, which is none. What asks a process to
    end passes.

    Raises:
        ModelError: As `problem` makes it of the reason.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, ModelError):
        raise
    except BaseException as err:
        raise problem(" ".join(str(err).split())[:_LONGEST_REASON]) from err


def _limit(tokenizer: _Tokenizer, most: int, stride: int, fields: Fields) -> None:
    special = tokenizer.num_special_tokens_to_add(is_pair=False)
    if most <= special + stride:  # on which the library panics, which is no Exception
        key, message = "most", f"{most} subtokens leave no room beside {special} special ones and a stride of {stride}"
        raise fields.error(key, message)
    with _told(lambda why: fields.error("most", f"the library 'tokenizers' does not take it: {why}")):
        tokenizer.enable_truncation(most, stride=stride)
