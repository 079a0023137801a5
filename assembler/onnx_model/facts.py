"""Facts: what an emitter records about its operators, so that passes need not guess from names.

A fact names tensors, never operators: these may have no name, and passes replace them. Joining renames the tensors of a
fact with all others. A pass that removes the subject of a fact retracts the fact, and records facts about what it
makes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was made.

    Attributes:
        tensor: A tensor that it outputs, by which it is found in the graph.
    """

    tensor: str

    def renamed(self, rename: Callable[[str], str]) -> Self:
        """Return the fact with its tensor under another name."""
        return replace(self, tensor=rename(self.tensor))

    def of_part(self, part: str) -> Self:  # noqa: ARG002 - most facts need not know
        """Return the fact of what belongs to a part."""
        return self


@dataclass(frozen=True, slots=True)
class LanguageModel(Fact):
    """One recurrent layer that reads characters: `Squeeze(LSTM(Gather(table, ids)))`, or with a `GRU`.

    The table and the layer's weights are float32 initializers, the layer is torch's and reads forwards, and the
    squeezed axis is that of directions.

    Attributes:
        tensor: Its states, float32 [characters, sentences, hidden].
        part: The part of the spec that it is; joining fills it in.
    """

    part: str = ""

    def of_part(self, part: str) -> Self:
        """Return the fact of a language model that is part of a stack."""
        return replace(self, part=part)


@dataclass(frozen=True, slots=True)
class Loop(Fact):
    """The `Scan` that a language model has become.

    It begins with zeros; a `Gemm` of its body multiplies the hidden states, which lie between -1 and 1.

    Attributes:
        tensor: Its states, float32 [characters, lanes, hidden].
        characters: How many characters it has. Their ids are below; this id resets it.
    """

    characters: int


@dataclass(frozen=True, slots=True)
class Reset(Fact):
    """A language model has a character that resets it to its beginning, so that several texts can share a lane.

    Attributes:
        tensor: The input of the model by which a host writes its characters, int64 [characters, lanes].
        part: The part of the spec that it is.
        character: The character.
    """

    part: str
    character: int


@dataclass(frozen=True, slots=True)
class Projection(Fact):
    """The product through which all information on a head's tokens enters its recurrent layer.

    Attributes:
        tensor: The product, a `MatMul` of float32 [tokens, features].
    """
