"""What a model asks of its host and gives back: the `assembler.interface` of its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from assembler.filling import RULES
from assembler.problems import Problem
from assembler.runtime.alphabet import Alphabet
from assembler.runtime.fields import Fields, each, strings
from assembler.runtime.pieces import RULE as PIECES
from assembler.runtime.pieces import Pieces
from assembler.runtime.subtokens import Subtokenizer
from assembler.runtime.vocabulary import RULES as VOCABULARY_RULES
from assembler.runtime.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_PLACE = "assembler.interface"
_DIRECTIONS = ("forward", "backward")
_IDS = range(2**31)
_PARTS = range(1, 1025)


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
class Output:
    """An output and what it gives, as `parts.kind.Port` lists it, or `None` where no host knows."""

    name: str
    gives: str | None


@dataclass(frozen=True, slots=True)
class Tags:
    """What the labels are: the flair label type, and whether they are read as spans."""

    label_type: str
    spans: bool


@dataclass(frozen=True, slots=True)
class Interface:
    """The inputs that a host fills, the outputs it reads, and what it has to know for both.

    Attributes:
        inputs: In the order of the model.
        outputs: In the order of the model.
        language_models: In the order of the metadata.
        vocabularies: Those of the embedding tables, in the order of the metadata.
        tokenizers: Those of the encoders, in the order of the metadata.
        tags: `None` for a model without tagger head.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    language_models: tuple[LanguageModel, ...]
    vocabularies: tuple[Vocabulary | Pieces, ...]
    tokenizers: tuple[Subtokenizer, ...]
    tags: Tags | None

    @classmethod
    def from_metadata(
        cls,
        interface: Mapping[str, object],
        dictionaries: Mapping[str, object],
        vocabularies: Mapping[str, object] | None = None,
        tokenizers: Mapping[str, object] | None = None,
        *,
        file: str | None = None,
    ) -> Interface:
        """Return the interface that the metadata of a model states.

        An input that this runtime cannot fill is no error here, for a file may be looked at all the same.

        Args:
            interface: The parsed JSON of `assembler.interface`.
            dictionaries: The parsed JSON of `assembler.dictionaries`: the characters of each language model by id.
            vocabularies: The parsed JSON of `assembler.vocabularies`: how each table's rows are found.
            tokenizers: The parsed JSON of `assembler.tokenizers`: how each encoder's subtokens are made.
            file: The model's file, for the problems.

        Raises:
            ModelError: M013 for each field that is missing or damaged, M018 if a library for an input is missing.
        """
        fields = Fields.of(interface, _PLACE, file)
        alphabets = Fields.of(dictionaries, "assembler.dictionaries", file)
        declared = fields.child("language_models")
        models = each(lambda name: _language_model(name, declared.child(name), alphabets), declared.values)
        listed = Fields.of(vocabularies or {}, "assembler.vocabularies", file)
        tables = each(lambda name: _vocabulary(name, listed.child(name)), listed.values)
        cut = Fields.of(tokenizers or {}, "assembler.tokenizers", file)
        encoders = each(lambda name: Subtokenizer.from_metadata(name, cut.child(name)), cut.values)
        known = _Described(
            {model.name: model for model in models},
            {table.name: table for table in tables},
            {encoder.name: encoder for encoder in encoders},
        )
        inputs = each(lambda entry: _input(entry, known), fields.objects("inputs"))
        outputs = each(_output, fields.objects("outputs"))
        _distinct((entry.name for entry in inputs), fields, "inputs")
        _distinct((entry.name for entry in outputs), fields, "outputs")
        _distinct((entry.gives for entry in outputs if entry.gives is not None), fields, "outputs")
        return cls(inputs, outputs, models, tables, encoders, _tags(fields))

    @property
    def context(self) -> int:
        """How many tokens of its neighbours a sentence is read with, on each side; 0 for most models."""
        return max((encoder.context for encoder in self.tokenizers), default=0)

    @property
    def respects_documents(self) -> bool:
        """Whether the context ends where a document does, which lists of tokens do not tell."""
        return all(encoder.documents for encoder in self.tokenizers if encoder.context)

    def output(self, gives: str) -> str | None:
        """Return the name of the output that gives something, such as `scores`, or `None` if none does."""
        return next((output.name for output in self.outputs if output.gives == gives), None)

    def require_libraries(self, file: str | None = None) -> None:
        """Refuse to go on without the libraries that fill the inputs.

        Raises:
            ModelError: M018 for each that is not installed.
        """
        each(lambda pieces: pieces.require_library(file), [v for v in self.vocabularies if isinstance(v, Pieces)])


def _vocabulary(name: str, fields: Fields) -> Vocabulary | Pieces:
    if fields.choice("rule", (*VOCABULARY_RULES, PIECES)) == PIECES:
        return Pieces.from_metadata(name, fields)
    return Vocabulary.from_metadata(name, fields)


def _language_model(name: str, fields: Fields, alphabets: Fields) -> LanguageModel:
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


@dataclass(frozen=True, slots=True)
class _Described:
    """What the metadata describe and an input may speak of; each is found by the key that the rule's subject names."""

    models: Mapping[str, LanguageModel]
    tables: Mapping[str, Vocabulary | Pieces]
    encoders: Mapping[str, Subtokenizer]

    def language_model(self, fields: Fields) -> LanguageModel:
        return self.models[fields.choice("language_model", self.models)]

    def words(self, fields: Fields) -> Vocabulary:
        found = {name: table for name, table in self.tables.items() if isinstance(table, Vocabulary)}
        return found[fields.choice("vocabulary", found)]

    def pieces(self, fields: Fields) -> Pieces:
        found = {name: table for name, table in self.tables.items() if isinstance(table, Pieces)}
        return found[fields.choice("vocabulary", found)]

    def encoder(self, fields: Fields) -> Subtokenizer:
        return self.encoders[fields.choice("tokenizer", self.encoders)]


#: How the input of each rule is read.
_READERS: Mapping[str, Callable[[str, Fields, _Described], Input]] = {
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


def _input(fields: Fields, known: _Described) -> Input:
    name, rule = fields.text("name"), fields.optional_text("fill")
    read = _READERS.get(rule or "")
    return Unfilled(name, rule) if read is None else read(name, fields, known)


def _output(fields: Fields) -> Output:
    return Output(fields.text("name"), fields.optional_text("gives"))


def _tags(fields: Fields) -> Tags | None:
    if fields.values.get("tags") in (None, {}):
        return None
    tags = fields.child("tags")
    return Tags(tags.text("label_type"), tags.flag("spans"))


def _distinct(names: Iterable[str], fields: Fields, key: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise fields.error(key, f"'{name}' stands there twice")
        seen.add(name)
