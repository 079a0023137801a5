"""Tables of word vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.interface.table_inputs import PieceModel, Words


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The cut that was made to a table of words.

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
        table: float32 [rows, features], with any layer normalisation of the rows already applied.
        words: How a host finds a row.
        reference: Runs the loaded model itself.
        cut: The cut, or `None` if the table is the source's own.
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
        """Run the loaded model on `words` and return `rows`."""
        return self.reference(inputs)


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
        """Run the loaded model on `pieces` and return `rows`."""
        return self.reference(inputs)
