"""Maps tokens to the subtokens of a transformer encoder, and subtokens back to their tokens.

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
from assembler.interface.encoder_inputs import Subtokens
from assembler.runtime.cutting import NO_WORD, Cut, Piece
from assembler.runtime.tokenizer_bounds import unbounded_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from assembler.interface.fields import Fields
    from assembler.runtime.context import InContext

_LONGEST_REASON = 300


class _Encoding(Protocol):
    """The parts of `tokenizers.Encoding` that are used; it has no types."""

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
        name: The encoder's node in the spec.
        about: Its record in the metadata.
        file: The model's file, for problems.
    """

    name: str
    about: Subtokens
    file: str | None
    _tokenizer: _Tokenizer = field(repr=False, compare=False)

    @classmethod
    def from_metadata(cls, name: str, fields: Fields) -> Subtokenizer:
        """Return the subtokeniser from the metadata of a model.

        Raises:
            ModelError: M013 for a field that is missing or damaged, M018 if the library `tokenizers` is not installed.
        """
        about = Subtokens.from_metadata(fields)
        tokenizer = _loaded(about.tokenizer, fields)
        if about.most:
            _limit(tokenizer, about, fields)
        return cls(name, about, fields.file, tokenizer)

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
            pieces = [encoding, *encoding.overflowing] if self.about.stride else [encoding]
            found.append(tuple(self._pieces(pieces, start, len(sentence.tokens))))
        return Cut(tuple(found), self.about.padding)

    def _failed(self, why: str) -> ModelError:
        message = f"the tokeniser of the encoder '{self.name}' fails on this text: {why}"
        hint = "the metadata of this file is damaged: assemble the model again"
        return ModelError(Problem("M013", message, hint, self.file))

    def _with_context(self, sentence: InContext) -> tuple[list[str], int]:
        """Return the text with its context, and where the sentence begins in it (TF 660-690)."""
        left = list(sentence.left[len(sentence.left) - min(self.about.context, len(sentence.left)) :])
        right = list(sentence.right[: self.about.context])
        if self.about.separator is not None:
            left, right = [*left, self.about.separator], [self.about.separator, *right]
        return [_whole(token) for token in (*left, *sentence.tokens, *right)], len(left)

    def _pieces(self, encodings: Sequence[_Encoding], start: int, count: int) -> Iterator[Piece]:
        """Yield the pieces of one sentence, with the words of those subtokens that count.

        In overlapping pieces each subtoken counts once: those at the edges of a piece count in the neighbour, where
        they have more context (TF 60-84).
        """
        half, last = self.about.stride // 2, len(encodings) - 1
        for number, encoding in enumerate(encodings):
            if 0 < self.about.positions < len(encoding.ids):
                message = f"a sentence of {count} tokens has {len(encoding.ids)} subtokens, the encoder '{self.name}' "
                message += f"has positions for {self.about.positions}"
                raise ModelError(Problem("M019", message, "split the sentence", self.file))
            words = np.fromiter(
                (NO_WORD if word is None else word - start for word in encoding.word_ids), np.int64, len(encoding.ids)
            )
            words[(words < 0) | (words >= count)] = NO_WORD
            if last:
                place = np.arange(len(words))
                counts = (place > half) & (place < self.about.most - 1 - half)
                counts |= (place <= half) if number == 0 else False
                counts |= (place >= self.about.most - 1 - half) if number == last else False
                words[~counts] = NO_WORD
            yield Piece(encoding.ids, words)


def _whole(token: str) -> str:
    """Return a token without halves of surrogate pairs, which `tokenizers` cannot read; flair fails on them."""
    return token.encode("utf-8", "replace").decode("utf-8")


def _loaded(text: str, fields: Fields) -> _Tokenizer:
    try:
        library = import_module("tokenizers")
    except ImportError as err:
        message = f"the encoder '{fields.place.rpartition('.')[2]}' needs the package 'tokenizers'"
        hint = "install this package with its extra 'tokenizers': pip install '.[tokenizers]'"
        raise ModelError(Problem("M018", message, hint, fields.file)) from err
    key = "tokenizer"
    unbounded = unbounded_steps(_parsed(text))
    if unbounded is not None:
        raise fields.error(key, unbounded)
    with _told(lambda why: fields.error(key, f"the library 'tokenizers' does not read it: {why}")):
        tokenizer: _Tokenizer = library.Tokenizer.from_str(text)
    return tokenizer


def _parsed(text: str) -> object:
    """Return a tokeniser's parsed JSON, or nothing if it is invalid; the library reports what is wrong with it."""
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed


@contextmanager
def _told(problem: Callable[[str], ModelError]) -> Iterator[None]:
    """Turn the library's errors on a tokeniser from a file into a problem.

    It raises bare `Exception`, and a `PanicException`, which is not an `Exception`, if its Rust code panics. Requests
    to end the process pass through.

    Raises:
        ModelError: As `problem` makes it from the reason.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, ModelError):
        raise
    except BaseException as err:
        raise problem(" ".join(str(err).split())[:_LONGEST_REASON]) from err


def _limit(tokenizer: _Tokenizer, about: Subtokens, fields: Fields) -> None:
    special, key = tokenizer.num_special_tokens_to_add(is_pair=False), "most"
    if about.most <= special + about.stride:  # on which the library panics, which is not an Exception
        message = f"{about.most} subtokens leave no room beside {special} special ones and a stride of {about.stride}"
        raise fields.error(key, message)
    with _told(lambda why: fields.error(key, f"the library 'tokenizers' does not take it: {why}")):
        tokenizer.enable_truncation(about.most, stride=about.stride)
