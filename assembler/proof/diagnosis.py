"""Questions to the sources after a failed comparison: which part is at fault, and how noisy they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.description.source_tasks import source_tasks
from assembler.proof.divergence import diverging_parts
from assembler.proof.noise import measured_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from assembler.proof.stepwise_gaps import Gap
    from assembler.sources.opening import OpenSources
    from assembler.wiring.graph import Wiring


class Diagnosis:
    """Answers the questions. It reads the sources again when it is asked, because their memory was released."""

    def __init__(
        self, path: Path, sentences: Sequence[Sequence[str]], read: Callable[[], tuple[Wiring, OpenSources]]
    ) -> None:
        """Keep the arguments for later.

        Args:
            path: The written model.
            sentences: The sentences of the proof.
            read: Opens the sources.
        """
        self._path = path
        self._sentences = sentences
        self._read = read
        self._noise: dict[str, float] = {}

    def __call__(self) -> Sequence[Gap]:
        """Return the tensors that differ from the source's, in the order of the wiring."""
        return diverging_parts(self._path, *self._read(), self._sentences)

    def noise(self, task: str) -> float:
        """Return how far the scores of a task's source differ between its own runs; measured once."""
        if task not in self._noise:
            found = {each.name: each for each in source_tasks(*self._read())}[task]
            if found.model is None:
                raise TypeError(task)
            examples = found.head.texts.made_of(self._sentences)
            self._noise[task] = measured_noise(found.model, found.head, examples)
        return self._noise[task]
