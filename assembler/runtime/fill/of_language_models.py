"""The inputs of character language models."""

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
    from assembler.runtime.language_model_text import LanguageModel


@dataclass(frozen=True, slots=True)
class OfLanguageModel(Input, ABC):
    """An input that concerns a language model."""

    language_model: LanguageModel

    @property
    def subject(self) -> str:
        """The language model."""
        return self.language_model.name

    @classmethod
    def subjects(cls, known: Described) -> Collection[str]:
        """Return the language models."""
        return known.models

    @classmethod
    def of(cls, entry: InputEntry, known: Described) -> Self:
        """Return the input of an entry of the metadata."""
        return cls(entry.name, known.models[entry.subject])


@dataclass(frozen=True, slots=True)
class Characters(OfLanguageModel):
    """An input of character ids, int64 `[characters, sentences]`."""

    rule: ClassVar[str] = "characters"
    counted: ClassVar[Mapping[str, str]] = {"characters": ", markers included"}

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the ids, or the lanes that several texts share."""
        return batch.framed(self.language_model).characters(batch.sizes.get((self.subject, "characters"), 0))

    def room(self, batch: Batch) -> Iterator[tuple[Axis, NDArray[np.int64]]]:
        """Yield the characters, markers included."""
        yield (self.subject, "characters"), batch.framed(self.language_model).lengths


@dataclass(frozen=True, slots=True)
class CharacterLengths(OfLanguageModel):
    """An input of text lengths that count the markers, int64 `[sentences]`."""

    rule: ClassVar[str] = "character_lengths"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the lengths."""
        return batch.framed(self.language_model).lengths


@dataclass(frozen=True, slots=True)
class Indices(OfTokens, OfLanguageModel):
    """An input of rows of hidden states, one per token, int64 `[total_tokens]`."""

    rule: ClassVar[str] = "indices"

    def fill(self, batch: Batch) -> NDArray[np.int64]:
        """Return the rows."""
        return batch.framed(self.language_model).indices()
