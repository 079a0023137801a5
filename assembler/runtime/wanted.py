"""What a caller asks for beside labels and scores, and the error where a model was built without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.interface.tasks import Task


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks for.

    Attributes:
        force_tokens: Whether spans are left out.
        probabilities: Whether the probabilities of all classes are wanted.
        embeddings: Whether the vectors that the heads read are wanted.
    """

    force_tokens: bool = False
    probabilities: bool = False
    embeddings: bool = False


#: What every caller is given.
LABELS = Wanted()


def required(output: str | None, what: str, option: str, task: Task, file: str) -> str:
    """Return an output that is wanted.

    Args:
        output: The output, or `None` if the model has none.
        what: What it has, for the message.
        option: The option of `assemble init` that makes a spec with it.
        task: The task whose output it is.
        file: The model's file.

    Raises:
        ModelError: M032 if there is none.
    """
    if output is None:
        message = f"the model was built without an output of {what} of the task '{task.name}'"
        hint = f"write its spec with `assemble init SOURCE {option}` and build it again"
        raise ModelError(Problem("M032", message, hint, file))
    return output


def require_shape(name: str, shape: tuple[int, ...], wanted: Iterable[int | None], file: str) -> None:
    """Refuse an output of another shape; `None` is any size.

    Raises:
        ModelError: M014 if it has another.
    """
    expected = [*wanted]
    if len(shape) != len(expected) or any(size not in (None, own) for own, size in zip(shape, expected, strict=True)):
        told = ", ".join("any" if size is None else str(size) for size in expected)
        raise ModelError(Problem("M014", f"output '{name}' has the shape {list(shape)}, expected [{told}]", file=file))
