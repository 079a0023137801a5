"""The inputs and outputs of a model, as the metadata list them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from assembler.interface.fill_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Collection

    from assembler.core.values import Value
    from assembler.interface.fields import Fields

_PARTS = range(1, 1025)


@dataclass(frozen=True, slots=True)
class InputEntry:
    """An input, and how a host fills it.

    Attributes:
        name: The input.
        rule: One of `RULES`, a rule of a newer assembler, or `None` if none is known.
        subject: The node that the input concerns, if its rule has a subject.
        parts: How many parts are interleaved, if its rule counts them.
    """

    name: str
    rule: str | None
    subject: str = ""
    parts: int = 0

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        entry: dict[str, Value] = {"name": self.name, "fill": self.rule}
        rule = RULES.get(self.rule or "")
        if rule is not None and rule.subject is not None and self.subject:
            entry[rule.subject] = self.subject
        if rule is not None and rule.counted:
            entry["parts"] = self.parts
        return entry

    @classmethod
    def from_metadata(cls, fields: Fields, subjects: Collection[str] = ()) -> InputEntry:
        """Return what the metadata hold of it.

        Args:
            fields: The entry.
            subjects: The nodes that an input of its rule may concern.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        name, rule = fields.text("name"), rule_of(fields)
        known = RULES.get(rule or "")
        if known is None:
            return cls(name, rule)
        subject = "" if known.subject is None else fields.choice(known.subject, subjects)
        return cls(name, rule, subject, fields.number("parts", _PARTS) if known.counted else 0)


def rule_of(fields: Fields) -> str | None:
    """Return the rule of an input's entry.

    Raises:
        ModelError: M013 if it is missing or damaged.
    """
    return fields.optional_text("fill")


@dataclass(frozen=True, slots=True)
class Output:
    """An output and its meaning, one of those in `parts.kind.Port`, or `None` if it has none for a host."""

    name: str
    gives: str | None

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        return asdict(self)

    @classmethod
    def from_metadata(cls, fields: Fields) -> Output:
        """Return what the metadata hold of it.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        return cls(fields.text("name"), fields.optional_text("gives"))


@dataclass(frozen=True, slots=True)
class Tags:
    """What the labels are: the flair label type, and whether they are read as spans."""

    label_type: str
    spans: bool

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        return asdict(self)

    @classmethod
    def from_metadata(cls, interface: Fields) -> Tags | None:
        """Return what the metadata hold, or `None` for a model without tagger head.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        if interface.values.get("tags") in (None, {}):
            return None
        fields = interface.child("tags")
        return cls(fields.text("label_type"), fields.flag("spans"))
