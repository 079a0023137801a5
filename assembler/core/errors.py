"""The errors a caller can meet. Each subclass says who must act. A bug in the assembler is never one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.core.problems import Problem


class AssemblerError(Exception):
    """The root of every error this package raises on purpose.

    Attributes:
        problems: The records of the error, at least one.
    """

    def __init__(self, *problems: Problem) -> None:
        """Keep the problems; the text of the error is theirs, a line each."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SpecError(AssemblerError):
    """The stack spec is at fault: its YAML, its schema or its meaning."""


class SourceError(AssemblerError):
    """A source of weights is missing, not trusted, not what its digest says, or not supported."""


class ModelError(AssemblerError):
    """An ONNX model or a part of one cannot be used: its opset, its checker, its metadata, its run."""


class ParityError(AssemblerError):
    """The assembled model does not compute what its source computes. Nothing was written."""
