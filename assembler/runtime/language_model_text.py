"""How one character language model wants its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.interface.language_model_inputs import Characters, read_reset
from assembler.runtime.alphabet import Alphabet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.interface.fields import Fields


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """How one character language model wants its text.

    Attributes:
        name: Its node in the spec.
        backward: Whether the text is reversed, by code point, between the markers.
        start_marker: The text before it: flair's `document_delimiter`, of any length.
        end_marker: The text after it.
        with_whitespace: Whether the state of a token is read at the character after it, or at its last one.
        lowercase: Whether the text is lowercased.
        tokenized: Whether the text is the tokens joined by one space each, or by the spaces that follow them.
        padding: The character id after the end of a shorter text.
        alphabet: Its character dictionary.
        reset: The character id that resets its state to the beginning, so that texts can share a lane, or `None`.
    """

    name: str
    backward: bool
    start_marker: str
    end_marker: str
    with_whitespace: bool
    lowercase: bool
    tokenized: bool
    padding: int
    alphabet: Alphabet
    reset: int | None = None

    def frame(self, sentences: Iterable[str]) -> list[str]:
        """Return each text as the language model reads it: with markers, lowercased and reversed if needed."""
        read = (text.lower() for text in sentences) if self.lowercase else sentences
        turned = (text[::-1] for text in read) if self.backward else read
        return [f"{self.start_marker}{text}{self.end_marker}" for text in turned]

    @classmethod
    def from_metadata(cls, name: str, fields: Fields, dictionaries: Fields) -> LanguageModel:
        """Return the language model that the metadata of a model state.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        about = Characters.from_metadata(name, fields, dictionaries)
        return cls(
            name=name,
            backward=about.direction == "backward",
            start_marker=about.start_marker,
            end_marker=about.end_marker,
            with_whitespace=about.with_whitespace,
            lowercase=about.lowercase,
            tokenized=about.tokenized,
            padding=about.padding,
            alphabet=Alphabet(about.dictionary),
            reset=read_reset(fields),
        )
