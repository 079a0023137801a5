"""The inputs that concern no part: counts of tokens, an order of rows, the text itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from assembler.runtime.fill.rule import Input, OfTokens
from assembler.runtime.text import encode_text, separators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from numpy.typing import NDArray

    from assembler.interface.ports import InputEntry
    from assembler.runtime.fill.batch import Batch
    from assembler.runtime.fill.rule import Axis, Described


@dataclass(frozen=True, slots=True)
class TokenLengths(Input):
    """An input of token counts, int64 `[sentences]`."""

    rule: ClassVar[str] = "token_lengths"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the counts."""
        return batch.counts


@dataclass(frozen=True, slots=True)
class Striping(OfTokens):
    """An input of the order that interleaves `parts` blocks of rows, int64 `[parts * total_tokens]`."""

    rule: ClassVar[str] = "striping"
    parts: int

    @classmethod
    def of(cls, entry: InputEntry, _known: Described) -> Self:
        """Return the input of an entry of the metadata."""
        return cls(entry.name, entry.parts)

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the order."""
        rows = np.arange(self.parts * batch.filled.size, dtype=np.int64)
        return rows.reshape(self.parts, -1).T.ravel()

    def fit(self, shape: tuple[int | None, ...]) -> Iterator[tuple[Axis, int]]:
        """Yield how many tokens have a row in each part."""
        for _, size in OfTokens.fit(self, shape):
            if size % self.parts:
                message = f"has {size} rows, which {self.parts} parts cannot share evenly"
                raise ValueError(message)
            yield ("", "total_tokens"), size // self.parts


@dataclass(frozen=True, slots=True)
class Text(Input):
    """An input of code points of tokens joined by single spaces, int32 `[sentences, characters]`, padded with 0.

    Attributes:
        spaced: Whether tokens are joined by the spaces that follow them instead, as a language model on untokenised
            text reads them.
    """

    rule: ClassVar[str] = "text"
    counted: ClassVar[Mapping[str, str]] = {"characters": ", spaces between tokens included"}
    spaced: bool = False

    @classmethod
    def of(cls, entry: InputEntry, known: Described) -> Self:
        """Return the input of an entry of the metadata."""
        return cls(entry.name, any(not model.tokenized for model in known.models.values()))

    def fill(self, batch: Batch) -> NDArray[np.int32]:
        """Return the code points."""
        words = [each.tokens for each in batch.sentences]
        return encode_text(words, batch.sizes.get((self.subject, "characters"), 0), spaced=self.spaced)

    def room(self, batch: Batch) -> Iterator[tuple[Axis, NDArray[np.int64]]]:
        """Yield the characters, with what is between two tokens."""
        between = batch.counts - 1
        if self.spaced:
            gaps = (sum(map(len, separators(each.tokens))) for each in batch.sentences)
            between = np.fromiter(gaps, np.int64, len(batch.sentences))
        yield (self.subject, "characters"), batch.widths.sum(axis=1) + between
