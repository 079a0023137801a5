"""How a host makes the input of a character language model, as the metadata describe it.

LM is flair 0.15.1's models/language_model.py, TK its embeddings/token.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assembler.interface.fields import strings

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.interface.fields import Fields

_DIRECTIONS = ("forward", "backward")
_IDS = range(2**31)


@dataclass(frozen=True, slots=True)
class Characters:
    """How a host makes a language model's input, which decides whether the numbers match (flair's LM 110, TK 795).

    Attributes:
        dictionary: The characters by id. Only items of one code point can match; unknown ones have id 0.
        direction: `forward`, or `backward` for models that read the text reversed by code point.
        start_marker: What is before the text, any length.
        end_marker: What is after it.
        with_whitespace: Whether the state is taken after a token (at its following space) or at its last character.
        lowercase: Whether the text is lower-cased for the ids (offsets come from the original text).
        padding: The id that fills the shorter texts of a batch.
        tokenized: Whether the tokens are joined by one space each, or by the spaces that follow them.
    """

    dictionary: tuple[str, ...]
    direction: Literal["forward", "backward"]
    start_marker: str
    end_marker: str
    with_whitespace: bool
    lowercase: bool
    padding: int
    tokenized: bool = True

    def as_dict(self, reset: int | None = None) -> dict[str, Value]:
        """Return what the metadata hold of it; the dictionary is an entry of its own.

        Args:
            reset: The character that resets the state to its beginning, if there is one.
        """
        record: dict[str, Value] = {
            "direction": self.direction,
            "start_marker": self.start_marker,
            "end_marker": self.end_marker,
            "with_whitespace": self.with_whitespace,
            "lowercase": self.lowercase,
            "padding": self.padding,
            "tokenized": self.tokenized,
        }
        return record if reset is None else record | {"reset": reset}

    @classmethod
    def from_metadata(cls, name: str, fields: Fields, dictionaries: Fields) -> Characters:
        """Return what the metadata hold of a language model.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        return cls(
            direction="forward" if fields.choice("direction", _DIRECTIONS) == "forward" else "backward",
            start_marker=fields.text("start_marker"),
            end_marker=fields.text("end_marker"),
            with_whitespace=fields.flag("with_whitespace"),
            lowercase=fields.flag("lowercase"),
            tokenized=fields.flag("tokenized") if "tokenized" in fields.values else True,
            padding=fields.number("padding", _IDS),
            dictionary=strings(dictionaries.value(name), f"{dictionaries.place}.{name}", dictionaries.file),
        )


def read_reset(fields: Fields) -> int | None:
    """Return the reset character of a language model, or `None` without one.

    Raises:
        ModelError: M013 if it is damaged.
    """
    return fields.number("reset", _IDS) if "reset" in fields.values else None
