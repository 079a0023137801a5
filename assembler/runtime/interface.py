"""The inputs and outputs of a model for its host: the `assembler.interface` of its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.interface.examples import MOST_TEXTS
from assembler.interface.fields import Fields, each
from assembler.interface.label_pairs import LabelPairs
from assembler.interface.ports import Output, Tags
from assembler.interface.prompts import NO_PROMPT, Prompt
from assembler.interface.table_inputs import PIECES, WORD_RULES
from assembler.runtime.fill.inputs import read_input
from assembler.runtime.fill.rule import Described, Input
from assembler.runtime.language_model_text import LanguageModel
from assembler.runtime.pieces import Pieces
from assembler.runtime.subtokens import Subtokenizer
from assembler.runtime.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assembler.runtime.fill.batch import Batch
    from assembler.runtime.fill.rule import Encoded

_PLACE = "assembler.interface"


@dataclass(frozen=True, slots=True)
class Interface:
    """The inputs that a host fills, the outputs that it reads, and the data that it needs for both.

    Attributes:
        inputs: In the order of the model.
        outputs: In the order of the model.
        language_models: In the order of the metadata.
        vocabularies: Those of the embedding tables, in the order of the metadata.
        tokenizers: Those of the encoders, in the order of the metadata.
        tags: `None` for a model without tagger head.
        prompt: What is put before each sentence.
        label_pairs: How labels are written beside each sentence (TARS); `None` for most models.
        at_once: The sentences that make an example together: those of a run are a multiple of it. 1 for most models.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    language_models: tuple[LanguageModel, ...]
    vocabularies: tuple[Vocabulary | Pieces, ...]
    tokenizers: tuple[Subtokenizer, ...]
    tags: Tags | None
    prompt: Prompt = NO_PROMPT
    label_pairs: LabelPairs | None = None
    at_once: int = 1

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
        """Return the interface from the metadata of a model.

        An input that this runtime cannot fill is not an error here, because a file can still be inspected.

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
        models = each(lambda name: LanguageModel.from_metadata(name, declared.child(name), alphabets), declared.values)
        listed = Fields.of(vocabularies or {}, "assembler.vocabularies", file)
        tables = each(lambda name: _vocabulary(name, listed.child(name)), listed.values)
        cut = Fields.of(tokenizers or {}, "assembler.tokenizers", file)
        encoders = each(lambda name: Subtokenizer.from_metadata(name, cut.child(name)), cut.values)
        known = Described(
            {model.name: model for model in models},
            {table.name: table for table in tables},
            {encoder.name: encoder for encoder in encoders},
        )
        inputs = each(lambda entry: read_input(entry, known), fields.objects("inputs"))
        outputs = each(Output.from_metadata, fields.objects("outputs"))
        _distinct((entry.name for entry in inputs), fields, "inputs")
        _distinct((entry.name for entry in outputs), fields, "outputs")
        _distinct((entry.gives for entry in outputs if entry.gives is not None), fields, "outputs")
        prompt = Prompt.from_metadata(fields.child("prompt")) if "prompt" in interface else NO_PROMPT
        pairs = LabelPairs.from_metadata(fields.child("label_pairs")) if "label_pairs" in interface else None
        several = "sentences_at_once" in fields.values
        at_once = fields.number("sentences_at_once", range(1, MOST_TEXTS + 1)) if several else 1
        return cls(inputs, outputs, models, tables, encoders, Tags.from_metadata(fields), prompt, pairs, at_once)

    @property
    def context(self) -> int:
        """The number of tokens of the neighbours on each side with which a sentence is read; 0 for most models."""
        return max((encoder.about.context for encoder in self.tokenizers), default=0)

    @property
    def respects_documents(self) -> bool:
        """Whether the context ends where a document does, which lists of tokens cannot show."""
        return all(encoder.about.documents for encoder in self.tokenizers if encoder.about.context)

    def output(self, gives: str) -> str | None:
        """Return the name of the output with a meaning, such as `scores`, or `None` if there is none."""
        return next((output.name for output in self.outputs if output.gives == gives), None)

    def filled(self, batch: Batch) -> dict[str, Encoded]:
        """Return the inputs of a batch by their names.

        Raises:
            ModelError: As `encode`.
        """
        return {entry.name: entry.fill(batch) for entry in self.inputs}

    def require_libraries(self, file: str | None = None) -> None:
        """Refuse if a library that fills an input is missing.

        Raises:
            ModelError: M018 for each that is not installed.
        """
        each(lambda pieces: pieces.require_library(file), [v for v in self.vocabularies if isinstance(v, Pieces)])


def _vocabulary(name: str, fields: Fields) -> Vocabulary | Pieces:
    if fields.choice("rule", (*WORD_RULES, PIECES)) == PIECES:
        return Pieces.from_metadata(name, fields)
    return Vocabulary.from_metadata(name, fields)


def _distinct(names: Iterable[str], fields: Fields, key: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise fields.error(key, f"'{name}' occurs twice")
        seen.add(name)
