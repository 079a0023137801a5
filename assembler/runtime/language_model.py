"""How one character language model wants its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.runtime.alphabet import Alphabet
from assembler.runtime.fields import strings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.runtime.fields import Fields

_DIRECTIONS = ("forward", "backward")
_IDS = range(2**31)


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """How one character language model wants its text.

    Attributes:
        name: The node of the spec that it is.
        backward: Whether the text is reversed, by code point, between the markers.
        start_marker: What precedes the text: flair's `document_delimiter`, of any length.
        end_marker: What follows the text.
        with_whitespace: Whether the state after a token is read at the character behind it, or at its last one.
        lowercase: Whether the text is lowercased.
        tokenized: Whether the text is the tokens joined by one space each, or by the spaces that are behind them.
        padding: The character id behind a shorter text.
        alphabet: Its character dictionary.
        reset: The character id that sets its state back to the beginning, so that texts can share a lane, or `None`.
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
        """Return each text as the language model reads it: with markers, lowercased and reversed if need be."""
        read = (text.lower() for text in sentences) if self.lowercase else sentences
        turned = (text[::-1] for text in read) if self.backward else read
        return [f"{self.start_marker}{text}{self.end_marker}" for text in turned]


def language_model(name: str, fields: Fields, alphabets: Fields) -> LanguageModel:
    """Return the language model that the metadata of a model state.

    Raises:
        ModelError: M013 for a field that is missing or damaged.
    """
    return LanguageModel(
        name=name,
        backward=fields.choice("direction", _DIRECTIONS) == "backward",
        start_marker=fields.text("start_marker"),
        end_marker=fields.text("end_marker"),
        with_whitespace=fields.flag("with_whitespace"),
        lowercase=fields.flag("lowercase"),
        tokenized=fields.flag("tokenized") if "tokenized" in fields.values else True,
        padding=fields.number("padding", _IDS),
        alphabet=Alphabet(strings(alphabets.value(name), f"{alphabets.place}.{name}", alphabets.file)),
        reset=fields.number("reset", _IDS) if "reset" in fields.values else None,
    )
