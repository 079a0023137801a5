"""The base class of the rules by which a host fills an input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from assembler.interface.fill_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Self, TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from assembler.interface.ports import InputEntry
    from assembler.runtime.fill.batch import Batch
    from assembler.runtime.language_model_text import LanguageModel
    from assembler.runtime.pieces import Pieces
    from assembler.runtime.subtokens import Subtokenizer
    from assembler.runtime.vocabulary import Vocabulary

    Encoded: TypeAlias = "NDArray[np.int64] | NDArray[np.int32]"
    #: The owner of a size: the part that the input concerns, empty for the whole batch, and the axis.
    Axis: TypeAlias = "tuple[str, str]"

#: The axes that all inputs of a batch share; any other belongs to the part that the input concerns.
_SHARED = ("sentences", "total_tokens")


@dataclass(frozen=True, slots=True)
class Described:
    """The objects of the metadata that an input may concern, by name."""

    models: Mapping[str, LanguageModel]
    tables: Mapping[str, Vocabulary | Pieces]
    encoders: Mapping[str, Subtokenizer]


@dataclass(frozen=True, slots=True)
class Input(ABC):
    """An input of a model; the class is how it is filled.

    A subclass names its row of `interface.fill_rules` and is listed in `runtime/fill/inputs.py`.
    """

    rule: ClassVar[str]
    #: How messages describe the characters or subtokens that `room` counts beyond the text, by axis.
    counted: ClassVar[Mapping[str, str]] = {}
    name: str

    @property
    def subject(self) -> str:
        """The part that it concerns, to which its axes belong; empty for none."""
        return ""

    @property
    def dtype(self) -> str:
        """Its element type."""
        return RULES[self.rule].dtype

    @classmethod
    def subjects(cls, _known: Described) -> Collection[str]:
        """Return the parts that an input of the rule may speak of."""
        return ()

    @classmethod
    def of(cls, entry: InputEntry, _known: Described) -> Self:
        """Return the input of an entry of the metadata, which concerns one of `subjects`."""
        return cls(entry.name)

    @abstractmethod
    def fill(self, batch: Batch) -> Encoded:
        """Return the input of a batch, at the sizes of the batch.

        Raises:
            ModelError: M018 if a library is not installed.
        """

    def fit(self, shape: tuple[int | None, ...]) -> Iterator[tuple[Axis, int]]:
        """Yield the sizes that a shape fixes.

        Raises:
            ValueError: The input cannot have such a shape; the message says why.
        """
        dims = RULES[self.rule].dims
        if len(dims) != len(shape):
            message = f"has {len(shape)} axes, expected [{', '.join(dims)}]"
            raise ValueError(message)
        for dim, size in zip(dims, shape, strict=True):
            if size is None:
                continue
            if dim.isdecimal():
                if size != int(dim):
                    message = f"has an axis of {size}, expected [{', '.join(dims)}]"
                    raise ValueError(message)
            else:
                yield ("" if dim in _SHARED else self.subject, dim), size

    def room(self, _batch: Batch) -> Iterator[tuple[Axis, NDArray[np.int64]]]:
        """Yield the axes of the input that the length of a sentence decides, with the size that each sentence needs."""
        yield from ()


@dataclass(frozen=True, slots=True)
class OfTokens(Input, ABC):
    """An input with a row for each token."""

    def room(self, batch: Batch) -> Iterator[tuple[Axis, NDArray[np.int64]]]:
        """Yield the tokens."""
        yield ("", "tokens"), batch.counts
