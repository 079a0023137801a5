"""All rules by which an input is filled, and how the metadata state an input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.interface.fill_rules import RULES
from assembler.interface.ports import InputEntry, rule_of
from assembler.runtime.fill.of_encoders import (
    FirstSubtokens,
    LastSubtokens,
    SubtokenIds,
    SubtokenMask,
    SubtokenWords,
)
from assembler.runtime.fill.of_language_models import CharacterLengths, Characters, Indices
from assembler.runtime.fill.of_sentences import Striping, Text, TokenLengths
from assembler.runtime.fill.of_tables import PieceRows, Words
from assembler.runtime.fill.rule import Input

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.interface.fields import Fields
    from assembler.runtime.fill.batch import Batch
    from assembler.runtime.fill.rule import Axis, Described, Encoded

_CLASSES: tuple[type[Input], ...] = (
    Characters,
    CharacterLengths,
    Indices,
    Words,
    SubtokenIds,
    SubtokenMask,
    FirstSubtokens,
    LastSubtokens,
    SubtokenWords,
    PieceRows,
    TokenLengths,
    Striping,
    Text,
)
#: The class of each rule.
INPUTS: Mapping[str, type[Input]] = {each.rule: each for each in _CLASSES}


@dataclass(frozen=True, slots=True)
class Unfilled(Input):
    """An input that cannot be filled from text: by a rule that is not known here, or by none (`None`)."""

    rule: ClassVar[str] = ""
    wanted: str | None

    @property
    def dtype(self) -> str:
        """The element type of most inputs; this input is never filled."""
        return "int64"

    def fill(self, _batch: Batch) -> Encoded:
        """Refuse to fill it.

        Raises:
            ModelError: M014, always.
        """
        raise ModelError(self.problem())

    def fit(self, _shape: tuple[int | None, ...]) -> Iterator[tuple[Axis, int]]:
        """Yield nothing: what its axes are is not known."""
        yield from ()

    def problem(self, file: str | None = None) -> Problem:
        """Return the problem for an attempt to fill it."""
        wanted = "something that the model does not tell" if self.wanted is None else f"'{self.wanted}'"
        message = f"input '{self.name}' wants {wanted}, which this runtime cannot fill"
        return Problem("M014", message, f"it fills: {', '.join(RULES)}", file)


def read_input(fields: Fields, known: Described) -> Input:
    """Return an input of the metadata, or one that cannot be filled here.

    Raises:
        ModelError: M013 for a field that is missing or damaged.
    """
    kind = INPUTS.get(rule_of(fields) or "")
    if kind is None:
        entry = InputEntry.from_metadata(fields)
        return Unfilled(entry.name, entry.rule)
    return kind.of(InputEntry.from_metadata(fields, kind.subjects(known)), known)
