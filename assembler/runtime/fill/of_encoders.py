"""The inputs of transformer encoders."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from assembler.runtime.fill.rule import Input, OfTokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from assembler.interface.ports import InputEntry
    from assembler.runtime.fill.batch import Batch
    from assembler.runtime.fill.rule import Axis, Described
    from assembler.runtime.subtokens import Subtokenizer


@dataclass(frozen=True, slots=True)
class OfEncoder(Input, ABC):
    """An input that concerns an encoder."""

    tokenizer: Subtokenizer

    @property
    def subject(self) -> str:
        """The encoder."""
        return self.tokenizer.name

    @classmethod
    def subjects(cls, known: Described) -> Collection[str]:
        """Return the encoders."""
        return known.encoders

    @classmethod
    def of(cls, entry: InputEntry, known: Described) -> Self:
        """Return the input of an entry of the metadata."""
        return cls(entry.name, known.encoders[entry.subject])


@dataclass(frozen=True, slots=True)
class OfPieces(OfEncoder, ABC):
    """An input with a row for each piece."""

    counted: ClassVar[Mapping[str, str]] = {"subtokens": ", special ones included"}

    def room(self, batch: Batch) -> Iterator[tuple[Axis, NDArray[np.int64]]]:
        """Yield the pieces, and the subtokens of the longest of them, special ones included."""
        cut = batch.cut(self.tokenizer)
        yield (self.subject, "pieces"), cut.counts()
        yield (self.subject, "subtokens"), cut.lengths()


@dataclass(frozen=True, slots=True)
class SubtokenIds(OfPieces):
    """An input of subtokens, int64 `[pieces, subtokens]`."""

    rule: ClassVar[str] = "subtokens"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the ids."""
        return batch.subtokens(self.tokenizer).ids


@dataclass(frozen=True, slots=True)
class SubtokenMask(OfPieces):
    """A mask of the subtokens, int64 `[pieces, subtokens]`."""

    rule: ClassVar[str] = "subtoken_mask"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the mask."""
        return batch.subtokens(self.tokenizer).mask


@dataclass(frozen=True, slots=True)
class SubtokenWords(OfPieces):
    """An input of the token that each subtoken is a part of, int64 `[pieces, subtokens]`."""

    rule: ClassVar[str] = "subtoken_words"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the tokens' places in the grid."""
        return batch.subtokens(self.tokenizer).words


@dataclass(frozen=True, slots=True)
class FirstSubtokens(OfTokens, OfEncoder):
    """An input of the place of each token's first subtoken, int64 `[total_tokens]`."""

    rule: ClassVar[str] = "first_subtokens"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the places."""
        return batch.subtokens(self.tokenizer).first


@dataclass(frozen=True, slots=True)
class LastSubtokens(OfTokens, OfEncoder):
    """An input of the place of each token's last subtoken, int64 `[total_tokens]`."""

    rule: ClassVar[str] = "last_subtokens"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the places."""
        return batch.subtokens(self.tokenizer).last
