"""What a model asks of its host and gives back: the `assembler.interface` of its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from assembler.filling import RULES
from assembler.problems import Problem
from assembler.runtime.alphabet import Alphabet
from assembler.runtime.fields import Fields, each, strings
from assembler.runtime.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Described = TypeVar("Described")

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
        padding: The character id behind a shorter text.
        alphabet: Its character dictionary.
    """

    name: str
    backward: bool
    start_marker: str
    end_marker: str
    with_whitespace: bool
    lowercase: bool
    padding: int
    alphabet: Alphabet

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


Input: TypeAlias = Characters | Indices | CharacterLengths | TokenLengths | Words | Striping | Text | Unfilled


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
        tags: `None` for a model without tagger head.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    language_models: tuple[LanguageModel, ...]
    vocabularies: tuple[Vocabulary, ...]
    tags: Tags | None

    @classmethod
    def from_metadata(
        cls,
        interface: Mapping[str, object],
        dictionaries: Mapping[str, object],
        vocabularies: Mapping[str, object] | None = None,
        *,
        file: str | None = None,
    ) -> Interface:
        """Return the interface that the metadata of a model states.

        An input that this runtime cannot fill is no error here, for a file may be looked at all the same.

        Args:
            interface: The parsed JSON of `assembler.interface`.
            dictionaries: The parsed JSON of `assembler.dictionaries`: the characters of each language model by id.
            vocabularies: The parsed JSON of `assembler.vocabularies`: how each table's rows are found.
            file: The model's file, for the problems.

        Raises:
            ModelError: M013 for each field that is missing or damaged.
        """
        fields = Fields.of(interface, _PLACE, file)
        alphabets = Fields.of(dictionaries, "assembler.dictionaries", file)
        declared = fields.child("language_models")
        models = each(lambda name: _language_model(name, declared.child(name), alphabets), declared.values)
        by_name = {model.name: model for model in models}
        listed = Fields.of(vocabularies or {}, "assembler.vocabularies", file)
        tables = each(lambda name: Vocabulary.from_metadata(name, listed.child(name)), listed.values)
        tables_by_name = {table.name: table for table in tables}
        inputs = each(lambda entry: _input(entry, by_name, tables_by_name), fields.objects("inputs"))
        outputs = each(_output, fields.objects("outputs"))
        _distinct((entry.name for entry in inputs), fields, "inputs")
        _distinct((entry.name for entry in outputs), fields, "outputs")
        _distinct((entry.gives for entry in outputs if entry.gives is not None), fields, "outputs")
        return cls(inputs, outputs, models, tables, _tags(fields))

    def output(self, gives: str) -> str | None:
        """Return the name of the output that gives something, such as `scores`, or `None` if none does."""
        return next((output.name for output in self.outputs if output.gives == gives), None)


def _language_model(name: str, fields: Fields, alphabets: Fields) -> LanguageModel:
    return LanguageModel(
        name=name,
        backward=fields.choice("direction", _DIRECTIONS) == "backward",
        start_marker=fields.text("start_marker"),
        end_marker=fields.text("end_marker"),
        with_whitespace=fields.flag("with_whitespace"),
        lowercase=fields.flag("lowercase"),
        padding=fields.number("padding", _IDS),
        alphabet=Alphabet(strings(alphabets.value(name), f"{alphabets.place}.{name}", alphabets.file)),
    )


#: The class of each rule's inputs, by what the rule speaks of.
_OF_LANGUAGE_MODEL: Mapping[str, Callable[[str, LanguageModel], Input]] = {
    "characters": Characters,
    "indices": Indices,
    "character_lengths": CharacterLengths,
}
_OF_VOCABULARY: Mapping[str, Callable[[str, Vocabulary], Input]] = {"words": Words}
_OF_NOTHING: Mapping[str, Callable[[str], Input]] = {"token_lengths": TokenLengths, "text": Text}
_OF_PARTS: Mapping[str, Callable[[str, int], Input]] = {"striping": Striping}


def _input(fields: Fields, models: Mapping[str, LanguageModel], tables: Mapping[str, Vocabulary]) -> Input:
    name, rule = fields.text("name"), fields.optional_text("fill")
    if rule is None:
        return Unfilled(name, rule)
    if rule in _OF_LANGUAGE_MODEL:
        return _OF_LANGUAGE_MODEL[rule](name, _subject(fields, rule, models))
    if rule in _OF_VOCABULARY:
        return _OF_VOCABULARY[rule](name, _subject(fields, rule, tables))
    if rule in _OF_PARTS:
        return _OF_PARTS[rule](name, fields.number("parts", _PARTS))
    if rule in _OF_NOTHING:
        return _OF_NOTHING[rule](name)
    return Unfilled(name, rule)


def _subject(fields: Fields, rule: str, described: Mapping[str, Described]) -> Described:
    """Return what the input speaks of, among those of its sort that the metadata describe."""
    return described[fields.choice(RULES[rule].subject or "", described)]


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
