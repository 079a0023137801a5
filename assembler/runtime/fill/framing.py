"""The texts of a batch as one language model reads them: between markers, a column or a lane for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime import packing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from assembler.runtime.language_model_text import LanguageModel
    from assembler.runtime.packing import Lanes
    from assembler.runtime.texts import Texts


class Framed:
    """The texts of a batch as one language model reads them.

    Attributes:
        lengths: The characters of each, markers included, int64 `[S]`.
    """

    __slots__ = ("_filled", "_lanes", "_model", "_padded", "_positions", "lengths")

    def __init__(self, model: LanguageModel, texts: Texts, filled: NDArray[np.bool_], *, lanes: bool) -> None:
        """Frame the texts. A text whose tokens are counted beyond its end is extended with flair's padding."""
        framed = model.frame(texts.texts)
        needed = texts.extents + len(model.start_marker) + len(model.end_marker)
        self._model, self._filled = model, filled
        self._padded = [text.ljust(length) for text, length in zip(framed, needed.tolist(), strict=True)]
        self.lengths = _lengths(self._padded)
        self._positions = _positions(model, texts, _lengths(framed))
        self._lanes: Lanes | None = None
        if lanes:
            self._lanes = packing.arrange(1 + self._positions.max(axis=1, where=filled, initial=0))

    def characters(self, width: int) -> NDArray[np.int64]:
        """Return the ids, time first.

        Args:
            width: The characters of a column, if they must be more than the longest text has.
        """
        inside = np.arange(max(int(self.lengths.max()), width)) < self.lengths[:, np.newaxis]
        rows = np.full(inside.shape, self._model.padding, dtype=np.int64)
        rows[inside] = self._model.alphabet.encode("".join(self._padded))
        if self._lanes is not None:
            return packing.characters(self._model, self._lanes, rows)
        return np.ascontiguousarray(rows.T)

    def indices(self) -> NDArray[np.int64]:
        """Return where the state of each token is (flair 0.15.1, embeddings/token.py 817-842)."""
        count = len(self._filled)
        numbers = np.arange(count, dtype=np.int64)[:, np.newaxis]
        positions = np.where(self._filled, self._positions, 0)
        if self._lanes is not None:
            return packing.indices(self._lanes, positions, numbers).ravel()
        return (positions * count + numbers).ravel()


def _positions(model: LanguageModel, texts: Texts, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each token's state in its text, int64 `[S, T]`.

    In the reversed text, the character after a token comes before it. A position before the text's beginning counts
    from the end of the text, as in flair if the sentence is tagged alone.
    """
    positions = texts.ends
    if model.backward:
        positions = _lengths(texts.texts)[:, np.newaxis] - texts.begins
    positions = positions + len(model.start_marker) - (0 if model.with_whitespace else 1)
    return np.where(positions < 0, positions + lengths[:, np.newaxis], positions)


def _lengths(texts: Sequence[str]) -> NDArray[np.int64]:
    return np.fromiter(map(len, texts), np.int64, len(texts))
