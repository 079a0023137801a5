"""The word pieces of flair's BytePairEmbeddings: the first and the last piece of a token.

TK is flair 0.15.1's embeddings/token.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.interface.table_inputs import PieceModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.interface.fields import Fields

#: The errors that the library raises: it turns the codes of its C++ part into Python's own errors.
_FAILURES = (RuntimeError, OSError, ValueError, TypeError, LookupError, OverflowError, MemoryError)
_LONGEST = 300
_DIGIT = re.compile(r"\d")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Pieces:
    r"""How tokens find the two rows of their pieces: a sentencepiece model, run by the library `sentencepiece`.

    Attributes:
        name: The table's node in the spec.
        model: The serialised sentencepiece model.
        zeros: Whether every decimal digit of Unicode is read as 0 (TK 1455: `\d`).
        blank: The row of a token of white space (TK 1469).
        file: The file of the model, for problems.
    """

    name: str
    model: bytes = field(repr=False)
    zeros: bool
    blank: int
    file: str | None = field(default=None, compare=False)
    _processor: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Load the model, if the library is installed; without it the model's file can still be inspected.

        Raises:
            RuntimeError: It is not a sentencepiece model.
        """
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError:
            object.__setattr__(self, "_processor", None)
        else:
            object.__setattr__(self, "_processor", SentencePieceProcessor(model_proto=self.model))

    @classmethod
    def from_metadata(cls, name: str, fields: Fields) -> Pieces:
        """Return the pieces from the metadata of a model.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        about = PieceModel.from_metadata(fields)
        try:
            return cls(name, about.model, about.zeros, about.blank, fields.file)
        except _FAILURES as err:
            reason = " ".join(str(err).split())[:_LONGEST]
            key, message = "model", f"no sentencepiece model in base64: {reason}"
            raise fields.error(key, message) from err

    def require_library(self, file: str | None = None) -> None:
        """Refuse if the library is missing.

        Raises:
            ModelError: M018 if it is not installed.
        """
        if self._processor is None:
            message = f"'{self.name}' splits tokens into pieces, which needs the package 'sentencepiece'"
            hint = "install it, or this package with its extra 'bytepair': pip install '.[bytepair]'"
            raise ModelError(Problem("M018", message, hint, file))

    def rows_of(self, tokens: Iterable[str]) -> list[tuple[int, int]]:
        """Return the rows of the first and of the last piece of each token.

        flair fails on half a surrogate pair, and on a token for which the model has no piece, such as one of zero-width
        characters. Here the former is read as U+FFFD, and the latter has the rows of a blank token.

        Raises:
            ModelError: M018 if the library is not installed, M013 if it fails on a token: the model is damaged.
        """
        self.require_library()
        return [self._ends(token) for token in tokens]

    def _ends(self, token: str) -> tuple[int, int]:
        if not token.strip():
            return self.blank, self.blank
        read = _DIGIT.sub("0", token) if self.zeros else token
        try:
            ids = self._processor.EncodeAsIds(_SURROGATE.sub("\ufffd", read.lower()))
        except _FAILURES as err:
            message = (
                f"the sentencepiece model of '{self.name}' fails on a token: {' '.join(str(err).split())[:_LONGEST]}"
            )
            raise ModelError(Problem("M013", message, "assemble the model again", self.file)) from err
        return (ids[0], ids[-1]) if ids else (self.blank, self.blank)
