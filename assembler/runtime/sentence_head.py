"""The tasks of a model on sentences, and how their outputs are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.interface.tasks import SentenceTask
from assembler.runtime.classifications import Classification, labels_of
from assembler.runtime.port_checks import FLOAT32, require_ports
from assembler.runtime.wanted import require_shape, required

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.metadata import Metadata
    from assembler.runtime.session import Session
    from assembler.runtime.wanted import Wanted


@dataclass(frozen=True, slots=True)
class SentenceHead:
    """How to read the outputs of a task on sentences.

    Attributes:
        task: The task.
        file: The model's file, for the problems.
    """

    task: SentenceTask
    file: str

    @classmethod
    def all_of(cls, metadata: Metadata, session: Session) -> tuple[SentenceHead, ...]:
        """Return the heads of a model, in order.

        Raises:
            ModelError: M014 if the model classifies no sentences, or for each port that does not match the metadata.
        """
        heads = tuple(cls(task, session.file) for task in metadata.tasks if isinstance(task, SentenceTask))
        if not heads:
            message = f"the model classifies no sentences: its outputs are {', '.join(session.outputs)}"
            hint = "open it with assembler.runtime.Tagger" if metadata.tasks else None
            raise ModelError(Problem("M014", message, hint, session.file))
        require_ports(metadata.interface, session, {name: kind for head in heads for name, kind in head.ports.items()})
        return heads

    @property
    def ports(self) -> dict[str, str]:
        """Its outputs, each with its type in ONNX Runtime."""
        names = (self.task.probabilities, self.task.embeddings)
        return {name: FLOAT32 for name in names if name is not None}

    def outputs(self, wanted: Wanted) -> list[str]:
        """Return the outputs that are read.

        Raises:
            ModelError: M032 if the model was built without what is wanted.
        """
        names, task = [self.task.probabilities], self.task
        if wanted.embeddings:
            names.append(required(task.embeddings, "the embeddings", "--embeddings", task, self.file))
        return names

    def nothing(self, wanted: Wanted) -> Classification:
        """Return the result of a sentence without tokens."""
        return Classification(classes=self._classes(wanted))

    def read(
        self, sentences: Sequence[tuple[str, ...]], outputs: Mapping[str, NDArray[np.generic]], wanted: Wanted
    ) -> list[Classification]:
        """Return the labels of each sentence of a batch.

        Args:
            sentences: The tokens of each sentence.
            outputs: The outputs that are read, by name.
            wanted: What is asked for.

        Raises:
            ModelError: M014 if an output has another shape.
        """
        task, count, classes = self.task, len(sentences), self._classes(wanted)
        given = outputs[task.probabilities]
        require_shape(task.probabilities, given.shape, (count, len(task.labels)), self.file)
        rows: list[list[float]] = given.tolist()
        vectors: Sequence[NDArray[np.float32] | None] = [None] * count
        if wanted.embeddings and task.embeddings is not None:
            require_shape(task.embeddings, outputs[task.embeddings].shape, (count, None), self.file)
            vectors = [row.astype(np.float32) for row in outputs[task.embeddings]]
        return [
            Classification(labels_of(task, row), tuple(row), classes, vector)
            for row, vector in zip(rows, vectors, strict=True)
        ]

    def _classes(self, wanted: Wanted) -> tuple[str, ...]:
        return self.task.labels if wanted.probabilities else ()
