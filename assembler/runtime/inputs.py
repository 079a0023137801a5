"""The sorts of inputs that a host fills, and how the metadata state them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from assembler.core.problems import Problem
from assembler.interface.fill_rules import RULES
from assembler.runtime.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.runtime.fields import Fields
    from assembler.runtime.language_model import LanguageModel
    from assembler.runtime.subtokens import Subtokenizer
    from assembler.runtime.vocabulary import Vocabulary

_PARTS = range(1, 1025)


@dataclass(frozen=True, slots=True)
class Characters:
    """An input of character ids, int64 `[characters, sentences]`."""

    name: str
    language_model: LanguageModel


@dataclass(frozen=True, slots=True)
class Indices:
    """An input of rows of hidden states, one per token, int64 `[total_tokens]`."""

    name: str
    language_model: LanguageModel


@dataclass(frozen=True, slots=True)
class CharacterLengths:
    """An input of text lengths that count the markers, int64 `[sentences]`."""

    name: str
    language_model: LanguageModel


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """An input of token counts, int64 `[sentences]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Words:
    """An input of rows of an embedding table, one per token, int64 `[total_tokens]`."""

    name: str
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True)
class PieceRows:
    """An input of two rows of an embedding table for each token, int64 `[total_tokens, 2]`."""

    name: str
    pieces: Pieces


@dataclass(frozen=True, slots=True)
class SubtokenIds:
    """An input of subtokens, int64 `[pieces, subtokens]`."""

    name: str
    tokenizer: Subtokenizer


@dataclass(frozen=True, slots=True)
class SubtokenMask:
    """An input that tells where there are subtokens, int64 `[pieces, subtokens]`."""

    name: str
    tokenizer: Subtokenizer


@dataclass(frozen=True, slots=True)
class FirstSubtokens:
    """An input of the place of each token's first subtoken, int64 `[total_tokens]`."""

    name: str
    tokenizer: Subtokenizer


@dataclass(frozen=True, slots=True)
class LastSubtokens:
    """An input of the place of each token's last subtoken, int64 `[total_tokens]`."""

    name: str
    tokenizer: Subtokenizer


@dataclass(frozen=True, slots=True)
class SubtokenWords:
    """An input of the token that each subtoken is a part of, int64 `[pieces, subtokens]`."""

    name: str
    tokenizer: Subtokenizer


@dataclass(frozen=True, slots=True)
class Striping:
    """An input of the order that interleaves `parts` blocks of rows, int64 `[parts * total_tokens]`."""

    name: str
    parts: int


@dataclass(frozen=True, slots=True)
class Text:
    """An input of code points of tokens joined by single spaces, int32 `[sentences, characters]`, padded with 0."""

    name: str


@dataclass(frozen=True, slots=True)
class Unfilled:
    """An input that cannot be filled from text: by a rule that is not known here, or by none (`None`)."""

    name: str
    rule: str | None

    def problem(self, file: str | None = None) -> Problem:
        """Return the problem of whoever wants to fill it."""
        wanted = "something that the model does not tell" if self.rule is None else f"'{self.rule}'"
        message = f"input '{self.name}' wants {wanted}, which this runtime cannot fill"
        return Problem("M014", message, f"it fills: {', '.join(RULES)}", file)


OfTokenizer: TypeAlias = SubtokenIds | SubtokenMask | FirstSubtokens | LastSubtokens | SubtokenWords
OfText: TypeAlias = Characters | Indices | CharacterLengths | TokenLengths | Words | PieceRows | Text
Input: TypeAlias = OfText | OfTokenizer | Striping | Unfilled


@dataclass(frozen=True, slots=True)
class Described:
    """What the metadata describe and an input may speak of; each is found by the key that the rule's subject names."""

    models: Mapping[str, LanguageModel]
    tables: Mapping[str, Vocabulary | Pieces]
    encoders: Mapping[str, Subtokenizer]

    def language_model(self, fields: Fields) -> LanguageModel:
        """Return the language model that an input's fields name."""
        return self.models[fields.choice("language_model", self.models)]

    def words(self, fields: Fields) -> Vocabulary:
        """Return the vocabulary of words that they name."""
        found = {name: table for name, table in self.tables.items() if not isinstance(table, Pieces)}
        return found[fields.choice("vocabulary", found)]

    def pieces(self, fields: Fields) -> Pieces:
        """Return the word pieces that they name."""
        found = {name: table for name, table in self.tables.items() if isinstance(table, Pieces)}
        return found[fields.choice("vocabulary", found)]

    def encoder(self, fields: Fields) -> Subtokenizer:
        """Return the tokeniser of the encoder that they name."""
        return self.encoders[fields.choice("tokenizer", self.encoders)]


#: How the input of each rule is read.
_READERS: Mapping[str, Callable[[str, Fields, Described], Input]] = {
    "characters": lambda name, fields, known: Characters(name, known.language_model(fields)),
    "character_lengths": lambda name, fields, known: CharacterLengths(name, known.language_model(fields)),
    "indices": lambda name, fields, known: Indices(name, known.language_model(fields)),
    "words": lambda name, fields, known: Words(name, known.words(fields)),
    "pieces": lambda name, fields, known: PieceRows(name, known.pieces(fields)),
    "subtokens": lambda name, fields, known: SubtokenIds(name, known.encoder(fields)),
    "subtoken_mask": lambda name, fields, known: SubtokenMask(name, known.encoder(fields)),
    "first_subtokens": lambda name, fields, known: FirstSubtokens(name, known.encoder(fields)),
    "last_subtokens": lambda name, fields, known: LastSubtokens(name, known.encoder(fields)),
    "subtoken_words": lambda name, fields, known: SubtokenWords(name, known.encoder(fields)),
    "token_lengths": lambda name, _fields, _known: TokenLengths(name),
    "text": lambda name, _fields, _known: Text(name),
    "striping": lambda name, fields, _known: Striping(name, fields.number("parts", _PARTS)),
}


def read_input(fields: Fields, known: Described) -> Input:
    """Return an input of the metadata, or that it cannot be filled here.

    Raises:
        ModelError: M013 for a field that is missing or damaged.
    """
    name, rule = fields.text("name"), fields.optional_text("fill")
    read = _READERS.get(rule or "")
    return Unfilled(name, rule) if read is None else read(name, fields, known)
