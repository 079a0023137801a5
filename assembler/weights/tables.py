"""Tables of word vectors, and how a host finds the rows of a token."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.core.values import Value


@dataclass(frozen=True, slots=True)
class Words:
    """How a host finds the row of a token in an embedding table.

    Attributes:
        rule: One of `runtime.vocabulary.RULES`.
        words: The words by row; empty for `hash`.
        unknown: The row of a word that is not found.
        method: For `hash` the digest, by its name in `hashlib`.
        rows: The number of rows.
        of: For a table that was cut, how many words it had before; else 0.
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


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What was cut from a table of words.

    Attributes:
        whole: How the source finds its rows.
        rows: The source's rows that were kept.
    """

    whole: Words
    rows: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class TableWeights:
    """A table of word vectors.

    Attributes:
        table: float32 [rows, features], a layer normalisation of the rows already in it.
        words: How a host finds a row.
        reference: Runs the loaded model itself.
        cut: What was cut, or `None` where the table is the source's own.
    """

    sort: ClassVar[str] = "embedding"

    table: Array
    words: Words
    reference: Callable[[Arrays], Arrays]
    cut: Cut | None = None

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`."""
        return {"embedding_size": self.table.shape[1]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `words` and give `rows`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class PieceModel:
    """How a host finds the two rows of a token in a table of word pieces.

    Attributes:
        model: The serialised sentencepiece model.
        zeros: Whether every decimal digit is read as 0.
        blank: The row of a token of white space.
    """

    model: bytes
    zeros: bool
    blank: int

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        model = base64.b64encode(self.model).decode("ascii")
        return {"rule": "pieces", "model": model, "zeros": self.zeros, "blank": self.blank}


@dataclass(frozen=True, slots=True, eq=False)
class PieceWeights:
    """A table of word pieces, two rows of which make the embedding of a token.

    Attributes:
        table: float32 [rows, features].
        words: How a host finds the rows.
        reference: Runs the loaded model itself.
    """

    sort: ClassVar[str] = "piece_embedding"

    table: Array
    words: PieceModel
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`: that of two rows."""
        return {"embedding_size": 2 * self.table.shape[1]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `pieces` and give `rows`."""
        return self.reference(inputs)
