"""How a host finds the rows of a token in a table of vectors, as the metadata describe it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.interface.fields import Fields

_ROWS = range(2**31)
#: The rule of word pieces in the metadata.
PIECES = "pieces"
#: The rules of words in the metadata.
WORD_RULES = ("word", "exact", "hash")


@dataclass(frozen=True, slots=True)
class Words:
    r"""How a host finds the row of a token in an embedding table (TK is flair 0.15.1's embeddings/token.py).

    Attributes:
        rule: `word`: as written, then lower-cased, then its digits as "#", then as "0" (TK 317-328; `\d` is any decimal
            digit of Unicode). `exact`: as written (TK 1156). `hash`: a digest of the text modulo the rows (TK 1243).
        words: The words by row; empty for `hash`.
        unknown: The row of a word that is not found.
        method: For `hash` the digest, by its name in `hashlib`.
        rows: The number of rows.
        of: For a table that was cut, how many words it had before; otherwise 0.
    """

    rule: Literal["word", "exact", "hash"]
    words: tuple[str, ...]
    unknown: int
    method: str
    rows: int
    of: int = 0

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        if self.rule == "hash":
            return {"rule": self.rule, "method": self.method, "rows": self.rows}
        cut: dict[str, Value] = {"cut": {"kept": len(self.words), "of": self.of}} if self.of else {}
        return {"rule": self.rule, "words": list(self.words), "unknown": self.unknown, **cut}

    @classmethod
    def from_metadata(cls, fields: Fields) -> Words:
        """Return what the metadata hold, but for what was cut.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        rule = fields.choice("rule", WORD_RULES)
        if rule == "hash":
            method = fields.choice("method", sorted(hashlib.algorithms_available))
            return cls("hash", (), 0, method, fields.number("rows", range(1, _ROWS.stop)))
        words, unknown = fields.strings("words"), fields.number("unknown", _ROWS)
        return cls("word" if rule == "word" else "exact", words, unknown, "", 0)


@dataclass(frozen=True, slots=True)
class PieceModel:
    r"""How a host finds the two rows of a token in a table of word pieces.

    Attributes:
        model: The serialised sentencepiece model.
        zeros: Whether every decimal digit of Unicode is read as 0 (TK 1455: `\d`).
        blank: The row of a token of white space (TK 1469).
    """

    model: bytes = field(repr=False)
    zeros: bool
    blank: int

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        model = base64.b64encode(self.model).decode("ascii")
        return {"rule": PIECES, "model": model, "zeros": self.zeros, "blank": self.blank}

    @classmethod
    def from_metadata(cls, fields: Fields) -> PieceModel:
        """Return what the metadata hold.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        key = "model"
        text, zeros, blank = fields.text(key), fields.flag("zeros"), fields.number("blank", _ROWS)
        try:
            model = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as err:
            message = f"no sentencepiece model in base64: {err}"
            raise fields.error(key, message) from err
        if not model:
            message = "expected a sentencepiece model in base64, got nothing"
            raise fields.error(key, message)
        return cls(model, zeros, blank)
