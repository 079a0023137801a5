"""The tasks of a model that give numbers, and how their outputs are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.interface.tasks import NumberTask
from assembler.runtime.port_checks import FLOAT32, require_ports
from assembler.runtime.ratings import Rating
from assembler.runtime.wanted import require_shape, required

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.metadata import Metadata
    from assembler.runtime.session import Session
    from assembler.runtime.wanted import Wanted


@dataclass(frozen=True, slots=True)
class NumberHead:
    """How to read the outputs of a task that gives numbers.

    Attributes:
        task: The task.
        file: The model's file, for the problems.
    """

    task: NumberTask
    file: str

    @classmethod
    def all_of(cls, metadata: Metadata, session: Session) -> tuple[NumberHead, ...]:
        """Return the heads of a model, in order.

        Raises:
            ModelError: M014 for each port that does not match the metadata.
        """
        heads = tuple(cls(task, session.file) for task in metadata.tasks if isinstance(task, NumberTask))
        names = (name for head in heads for name in (head.task.numbers, head.task.embeddings) if name is not None)
        require_ports(metadata.interface, session, dict.fromkeys(names, FLOAT32))
        return heads

    def outputs(self, wanted: Wanted) -> list[str]:
        """Return the outputs that are read.

        Raises:
            ModelError: M032 if the model was built without what is wanted.
        """
        names, task = [self.task.numbers], self.task
        if wanted.embeddings:
            names.append(required(task.embeddings, "the embeddings", "--embeddings", task, self.file))
        return names

    def nothing(self, wanted: Wanted) -> Rating:  # noqa: ARG002 - of every head
        """Return the result of a sentence without tokens."""
        return Rating()

    def read(
        self, sentences: Sequence[tuple[str, ...]], outputs: Mapping[str, NDArray[np.generic]], wanted: Wanted
    ) -> list[Rating]:
        """Return the number of each sentence of a batch.

        Args:
            sentences: The tokens of each sentence.
            outputs: The outputs that are read, by name.
            wanted: What is asked for.

        Raises:
            ModelError: M014 if an output has another shape.
        """
        task, count = self.task, len(sentences)
        require_shape(task.numbers, outputs[task.numbers].shape, (count,), self.file)
        numbers: list[float] = outputs[task.numbers].tolist()
        vectors: Sequence[NDArray[np.float32] | None] = [None] * count
        if wanted.embeddings and task.embeddings is not None:
            require_shape(task.embeddings, outputs[task.embeddings].shape, (count, None), self.file)
            vectors = [row.astype(np.float32) for row in outputs[task.embeddings]]
        return [Rating(number, vector) for number, vector in zip(numbers, vectors, strict=True)]
