"""Makes results from a model's outputs: each head reads its own, and what the heads found in a sentence is joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from assembler.runtime.wanted import Wanted

Result = TypeVar("Result")
Found = TypeVar("Found")
Found_co = TypeVar("Found_co", covariant=True)


class ReadingHead(Protocol[Found_co]):
    """A head, as it is read."""

    def outputs(self, wanted: Wanted, /) -> Sequence[str]:
        """Return the outputs that are read."""

    def nothing(self, wanted: Wanted, /) -> Found_co:
        """Return what it finds in a sentence without tokens."""

    def read(
        self, sentences: Sequence[tuple[str, ...]], outputs: Mapping[str, NDArray[np.generic]], wanted: Wanted, /
    ) -> Sequence[Found_co]:
        """Return what it has found in each sentence of a batch."""


@dataclass(frozen=True, slots=True)
class HeadsReader(Generic[Found, Result]):
    """Reads several heads.

    Attributes:
        heads: The heads, in order.
        wanted: What is asked for.
        join: Makes a result from the tokens of a sentence and what each head has found in it.
    """

    heads: Sequence[ReadingHead[Found]]
    wanted: Wanted
    join: Callable[[tuple[str, ...], Sequence[Found]], Result]

    @property
    def outputs(self) -> list[str]:
        """The outputs that are read.

        Raises:
            ModelError: M032 if the model was built without what is wanted.
        """
        return [name for head in self.heads for name in head.outputs(self.wanted)]

    @property
    def nothing(self) -> Result:
        """The result of a sentence without tokens."""
        return self.join((), [head.nothing(self.wanted) for head in self.heads])

    def read(self, sentences: Sequence[tuple[str, ...]], outputs: Sequence[NDArray[np.generic]]) -> list[Result]:
        """Return a result for each sentence of a batch.

        Args:
            sentences: The tokens of each.
            outputs: The outputs of the run, in the order of `outputs`.
        """
        by_name = dict(zip(self.outputs, outputs, strict=True))
        read = [head.read(sentences, by_name, self.wanted) for head in self.heads]
        return [self.join(tokens, found) for tokens, *found in zip(sentences, *read, strict=True)]
