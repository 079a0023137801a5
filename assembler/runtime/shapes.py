"""Models whose inputs have fixed sizes, as some targets need them: batches are padded to these sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.context import InContext
from assembler.runtime.fill.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.fill.rule import Axis, Encoded, Input
    from assembler.runtime.interface import Interface
    from assembler.runtime.session import Session

    Shape = tuple[int | None, ...]

#: The most values of an input of fixed sizes: half a gigabyte of int64. A file can declare any, and each run fills it.
MOST_VALUES = 1 << 26
#: The most sentences of a fixed batch: one sentence is a list of tokens, and takes more than its numbers.
_MOST_SENTENCES = 1 << 16
#: The sentence that pads a batch: one token, whose tags are thrown away.
_FILLER = InContext(("x",))
#: The axes of the batch itself. The size of each, except the first, is that of all its sentences together.
_SENTENCES, _TOTAL = ("", "sentences"), ("", "total_tokens")
_SMALLER = "build the model with smaller sizes"


@dataclass(frozen=True, slots=True)
class FixedShapes:
    """The sizes that the inputs of a model must have.

    Attributes:
        interface: The model's interface.
        sentences: The sentences of every run, or `None` for any number.
        tokens: The tokens of each sentence in every run, or `None` for any number.
        sizes: The fixed sizes of axes.
        file: The model's file, for the problems.
    """

    interface: Interface
    sentences: int | None
    tokens: int | None
    sizes: Mapping[Axis, int]
    file: str

    @classmethod
    def of(cls, interface: Interface, session: Session) -> FixedShapes:
        """Return the fixed sizes of a loaded model."""
        return cls.declared(interface, session.shapes(), session.file)

    @classmethod
    def declared(cls, interface: Interface, declared: Mapping[str, Shape], file: str) -> FixedShapes:
        """Return the fixed sizes of inputs with these shapes.

        If the rows of all tokens, or of all pieces, have a fixed number but the sentences have none, each sentence runs
        alone.

        Raises:
            ModelError: M014 for sizes that no run could fill.
        """
        sizes: dict[Axis, int] = {}
        for entry in interface.inputs:
            for axis, size in _fixed(entry, declared.get(entry.name, ()), file):
                if sizes.setdefault(axis, size) != size:
                    message = f"the input '{entry.name}' fixes {size} {_called(axis)}, another one {sizes[axis]}"
                    raise _unfit(message, "give both the same sizes", file)
        sentences = sizes.get(_SENTENCES)
        if sentences is None and any(axis == _TOTAL or axis[1] == "pieces" for axis in sizes):
            sentences = 1
        total = sizes.get(_TOTAL)
        _require_sensible(sentences, sizes, file)
        return cls(interface, sentences, None if total is None else total // (sentences or 1), sizes, file)

    def most(self, batch_size: int) -> int:
        """Return how many sentences, or examples of several, at most run together."""
        return batch_size if self.sentences is None else min(batch_size, self.sentences // self.interface.at_once)

    def whole(self, batch: Sequence[InContext]) -> list[InContext]:
        """Return a batch with as many sentences as every run has, or as many as make whole examples."""
        missing = -len(batch) % self.interface.at_once if self.sentences is None else self.sentences - len(batch)
        return [*batch, *[_FILLER] * missing]

    def filled(self, whole: Sequence[InContext], *, lanes: bool = False) -> dict[str, Encoded]:
        """Return the inputs of a batch at their sizes.

        Args:
            whole: The result of `whole`.
            lanes: Whether texts share lanes, if no size is fixed.

        Raises:
            ModelError: As `encode`; M019 for a sentence that is too long for the sizes.
        """
        if not self.sizes:
            return self.interface.filled(Batch(whole, lanes=lanes))
        batch = Batch(whole, tokens=self.tokens, sizes=self.sizes)
        for entry in self.interface.inputs:
            for (_, what), needed, size in self._room(entry, batch):
                if needed.max() > size:
                    counted = f"{needed.max()} {what}{entry.counted.get(what, '')}"
                    message = f"a sentence has {counted}; the model takes {size}"
                    raise ModelError(Problem("M019", message, "split the sentence", self.file))
        return self.interface.filled(batch)

    def have_room(self, sentences: Sequence[InContext]) -> list[bool]:
        """Return for each sentence whether it fits the sizes.

        Args:
            sentences: Sentences with tokens, without empty ones.
        """
        fits = np.ones(len(sentences), dtype=np.bool_)
        if sentences:
            batch = Batch(sentences)
            for entry in self.interface.inputs:
                for _, needed, size in self._room(entry, batch):
                    fits &= needed <= size
        return [bool(each) for each in fits]

    def _room(self, entry: Input, batch: Batch) -> Iterator[tuple[Axis, NDArray[np.int64], int]]:
        """Yield the axes of an input that have a fixed size, with the size that each sentence needs and the limit."""
        for axis, needed in entry.room(batch):
            size = self.tokens if axis == ("", "tokens") else self.sizes.get(axis)
            if size is not None:
                yield axis, needed, size // (self.sentences or 1) if axis[1] == "pieces" else size


def _fixed(entry: Input, shape: Shape, file: str) -> list[tuple[Axis, int]]:
    """Return the sizes that the shape of an input fixes."""
    if all(size is None for size in shape):
        return []
    values = math.prod(size for size in shape if size is not None)
    if values > MOST_VALUES:
        message = f"the input '{entry.name}' has {values:,} values in each run; at most {MOST_VALUES:,} are filled"
        raise _unfit(message, _SMALLER, file)
    try:
        return list(entry.fit(shape))
    except ValueError as err:
        message = f"the input '{entry.name}' {err}"
        raise _unfit(message, None, file) from err


def _require_sensible(sentences: int | None, sizes: Mapping[Axis, int], file: str) -> None:
    """Refuse sizes without room for a sentence, or that its sentences cannot share."""
    if sentences is not None and sentences > _MOST_SENTENCES:
        message = f"the model takes {sentences:,} sentences in each run; at most {_MOST_SENTENCES:,} are filled up to"
        raise _unfit(message, _SMALLER, file)
    for axis, size in sizes.items():
        if size < 1 or (axis == _TOTAL and size < (sentences or 1)):
            message = f"the model takes {size} {_called(axis)} in each run, which is no sentence of one token"
            raise _unfit(message, "build the model with larger sizes", file)
    total = sizes.get(_TOTAL)
    if total is not None and total % (sentences or 1):
        message = f"the model takes {total} total tokens in each run, which {sentences} sentences cannot share evenly"
        raise _unfit(message, f"give the rows of tokens a multiple of {sentences}", file)


def _called(axis: Axis) -> str:
    subject, name = axis
    return f"{name.replace('_', ' ')} of '{subject}'" if subject else name.replace("_", " ")


def _unfit(message: str, hint: str | None, file: str) -> ModelError:
    return ModelError(Problem("M014", message, hint, file))
