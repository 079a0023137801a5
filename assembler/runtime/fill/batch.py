"""The sentences of one run, with everything that several inputs share."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.fill.framing import Framed
from assembler.runtime.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.runtime.context import InContext
    from assembler.runtime.cutting import Cut, Subtokens
    from assembler.runtime.fill.rule import Axis
    from assembler.runtime.language_model_text import LanguageModel
    from assembler.runtime.subtokens import Subtokenizer


class Batch:
    """Sentences as rows of one grid of tokens. Values that inputs share are made when the first of them needs them.

    Attributes:
        sentences: The sentences.
        counts: Tokens in each, int64 `[S]`.
        widths: Code points in each token, 0 after the sentence's end, int64 `[S, T]`.
        filled: Where the grid holds a token, bool `[S, T]`.
        tokens: The tokens, sentence by sentence.
        sizes: The sizes that axes must have, such as those of a language model's characters or an encoder's subtokens.
    """

    __slots__ = ("_cut", "_framed", "_lanes", "_texts", "counts", "filled", "sentences", "sizes", "tokens", "widths")

    def __init__(
        self,
        sentences: Sequence[InContext],
        *,
        tokens: int | None = None,
        sizes: Mapping[Axis, int] | None = None,
        lanes: bool = False,
    ) -> None:
        """Lay out the sentences.

        Args:
            sentences: At least one, each with at least one token and without empty tokens.
            tokens: The tokens of a row of the grid, if they must be more than the longest sentence has.
            sizes: The sizes that axes must have.
            lanes: Whether texts share lanes (`runtime.packing`).

        Raises:
            ValueError: If there is no sentence, or a sentence without tokens or with an empty one.
        """
        _require_tokens(sentences)
        self.sentences, self.sizes = sentences, sizes or {}
        self.counts = np.fromiter((len(each.tokens) for each in sentences), np.int64, len(sentences))
        self.filled = np.arange(max(int(self.counts.max()), tokens or 0)) < self.counts[:, np.newaxis]
        self.tokens = tuple(token for each in sentences for token in each.tokens)
        self.widths = np.zeros(self.filled.shape, dtype=np.int64)
        self.widths[self.filled] = [len(token) for token in self.tokens]
        self._lanes = lanes
        self._texts: dict[bool, Texts] = {}
        self._framed: dict[str, Framed] = {}
        self._cut: dict[str, tuple[Cut, Subtokens]] = {}

    def framed(self, model: LanguageModel) -> Framed:
        """Return the texts as a language model reads them."""
        if model.name not in self._framed:
            if model.tokenized not in self._texts:
                words = [each.tokens for each in self.sentences]
                self._texts[model.tokenized] = Texts.of(words, self.widths, tokenized=model.tokenized)
            texts = self._texts[model.tokenized]
            self._framed[model.name] = Framed(model, texts, self.filled, lanes=self._lanes)
        return self._framed[model.name]

    def cut(self, tokenizer: Subtokenizer) -> Cut:
        """Return the pieces that an encoder reads.

        Raises:
            ModelError: M019 for a sentence of more subtokens than the encoder has positions.
        """
        return self._of(tokenizer)[0]

    def subtokens(self, tokenizer: Subtokenizer) -> Subtokens:
        """Return the pieces as arrays, at the sizes that they must have.

        Raises:
            ModelError: As for `cut`.
        """
        return self._of(tokenizer)[1]

    def _of(self, tokenizer: Subtokenizer) -> tuple[Cut, Subtokens]:
        if tokenizer.name not in self._cut:
            cut = tokenizer.cut(self.sentences)
            size = [self.sizes.get((tokenizer.name, axis), 0) for axis in ("pieces", "subtokens")]
            self._cut[tokenizer.name] = cut, cut.grid(self.filled.shape[1], size[0], size[1])
        return self._cut[tokenizer.name]


def _require_tokens(sentences: Sequence[InContext]) -> None:
    if not sentences:
        message = "expected at least one sentence, got none"
        raise ValueError(message)
    for number, sentence in enumerate(sentences):
        if not sentence.tokens or "" in sentence.tokens:
            got = reprlib.repr(list(sentence.tokens))
            message = f"sentence {number}: expected at least one token and no empty ones, got {got}"
            raise ValueError(message)
