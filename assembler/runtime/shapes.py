"""Models whose inputs have fixed sizes, as some targets want them: batches are filled up to these sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.context import InContext
from assembler.runtime.inputs import CharacterLengths, Characters, Indices, Text, TokenLengths, Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.encoding import Encoded
    from assembler.runtime.inputs import Input
    from assembler.runtime.interface import Interface
    from assembler.runtime.session import Session

    Shape = tuple[int | None, ...]

#: The most values of an input of fixed sizes: half a gigabyte of int64. A file can declare any, and each run fills it.
MOST_VALUES = 1 << 26
#: The most sentences of a fixed batch: one sentence is a list of tokens, and takes more than its numbers.
_MOST_SENTENCES = 1 << 16
#: What fills a batch up: a sentence of one token, whose tags are thrown away.
_FILLER = InContext(("x",))


@dataclass(frozen=True, slots=True)
class FixedShapes:
    """The sizes that the inputs of a model must have.

    Attributes:
        sentences: The sentences of every run, or `None` for any number.
        shapes: The inputs with a fixed size, each with its sizes; `None` for those that are free.
        inputs: What the inputs are, by name.
        file: The model's file, for the problems.
    """

    sentences: int | None
    shapes: Mapping[str, Shape]
    inputs: Mapping[str, Input]
    file: str

    @classmethod
    def of(cls, interface: Interface, session: Session) -> FixedShapes:
        """Return the fixed sizes of a loaded model."""
        return cls.declared(interface, session.shapes(), session.file)

    @classmethod
    def declared(cls, interface: Interface, declared: Mapping[str, Shape], file: str) -> FixedShapes:
        """Return the fixed sizes of inputs with these shapes.

        Raises:
            ModelError: M014 for sizes that no run could fill.
        """
        inputs = {entry.name: entry for entry in interface.inputs if entry.name in declared}
        fixed = {name: declared[name] for name in inputs if any(size is not None for size in declared[name])}
        for name, shape in fixed.items():
            values = math.prod(size for size in shape if size is not None)
            if values > MOST_VALUES:
                message = f"the input '{name}' has {values:,} values in each run; at most {MOST_VALUES:,} are filled"
                raise ModelError(Problem("M014", message, "build the model with smaller sizes", file))
        counts = [size for name, shape in fixed.items() if (size := _sentences(inputs[name], shape)) is not None]
        if counts and counts[0] > _MOST_SENTENCES:
            message = (
                f"the model takes {counts[0]:,} sentences in each run; at most {_MOST_SENTENCES:,} are filled up to"
            )
            raise ModelError(Problem("M014", message, "build the model with smaller sizes", file))
        return cls(counts[0] if counts else None, fixed, inputs, file)

    def most(self, batch_size: int) -> int:
        """Return how many sentences at most run together."""
        return batch_size if self.sentences is None else min(batch_size, self.sentences)

    def whole(self, batch: Sequence[InContext]) -> list[InContext]:
        """Return a batch with as many sentences as every run has."""
        missing = 0 if self.sentences is None else self.sentences - len(batch)
        return [*batch, *[_FILLER] * missing]

    def fitted(self, feeds: Mapping[str, Encoded], sentences: int) -> dict[str, Encoded]:
        """Return the inputs of a batch at their sizes.

        Args:
            feeds: What `encode` gives for the batch.
            sentences: Its sentences.

        Raises:
            ModelError: M019 for a sentence that is too long for them.
        """
        return {
            name: self._fit(name, array, sentences) if name in self.shapes else array for name, array in feeds.items()
        }

    def _fit(self, name: str, array: Encoded, sentences: int) -> Encoded:
        entry, shape = self.inputs[name], self.shapes[name]
        match entry:
            case Characters(language_model=model):
                return self._widened(array.T, shape[0], model.padding, "characters").T.copy()
            case Text():
                return self._widened(array, shape[1], 0, "characters")
            case Indices() | Words():
                rows = array.reshape(sentences, -1)
                fill = np.arange(sentences)[:, np.newaxis] if isinstance(entry, Indices) else 0
                tokens = None if shape[0] is None else shape[0] // sentences
                return self._widened(rows, tokens, fill, "tokens").ravel()
            case _:
                return array

    def _widened(self, rows: Encoded, width: int | None, fill: int | NDArray[np.int64], what: str) -> Encoded:
        """Return rows of a width, with `fill` behind what they have."""
        if width is None or width == rows.shape[1]:
            return rows
        if width < rows.shape[1]:
            message = f"a sentence has {rows.shape[1]} {what}, markers included; the model takes {width}"
            raise ModelError(Problem("M019", message, "split the sentence", self.file))
        behind = np.broadcast_to(np.asarray(fill, rows.dtype), (len(rows), width - rows.shape[1]))
        return np.concatenate([rows, behind], axis=1)


def _sentences(entry: Input, shape: Shape) -> int | None:
    """Return how many sentences a shape fixes."""
    match entry:
        case Characters():
            return shape[1]
        case Text() | CharacterLengths() | TokenLengths():
            return shape[0]
        case _:
            return None
