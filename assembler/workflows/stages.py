"""A chain of stages, each a function from the result of the one before to the input of the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

Given = TypeVar("Given")
Made = TypeVar("Made")
Next = TypeVar("Next")


@dataclass(frozen=True, slots=True)
class Stages(Generic[Given, Made]):
    """Functions that are called one after another.

    Between two stages only the value that is passed on is kept; everything else is released.

    Attributes:
        steps: The functions.
    """

    steps: tuple[Callable[[Any], Any], ...]

    @classmethod
    def begin(cls, step: Callable[[Given], Made]) -> Stages[Given, Made]:
        """Return a chain of one stage."""
        return cls((step,))

    def then(self, step: Callable[[Made], Next]) -> Stages[Given, Next]:
        """Return the chain with one more stage."""
        return Stages((*self.steps, step))

    def run(self, given: Given) -> Made:
        """Run every stage, and return the result of the last one."""
        value: Any = given
        for step in self.steps:
            value = step(value)
        return cast("Made", value)
