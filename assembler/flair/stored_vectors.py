"""The embeddings that an assembled model gives, on flair's sentences and as flair's own class of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flair
import numpy as np
import torch
from flair.data import Sentence
from flair.embeddings.base import Embeddings
from flair.training_utils import store_embeddings

from assembler.flair.sentences import placed, sentences_of
from assembler.interface.tasks import SentenceTask
from assembler.runtime import Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.interface.tasks import Task
    from assembler.runtime import Outcome, TaskRunner


def keep_vectors(
    sentences: Sequence[Sentence],
    tasks: Sequence[Task],
    results: Sequence[Mapping[str, Outcome]] | None,
    storage: str | None,
) -> None:
    """Put the vectors of results on sentences, and keep or remove what is stored there as flair does.

    Args:
        sentences: The sentences, none of them empty.
        tasks: The tasks whose vectors are kept.
        results: What was found in each sentence, with vectors; `None` if there are none.
        storage: flair's `embedding_storage_mode`.
    """
    for sentence, found in zip(sentences, results or [], strict=results is not None):
        put: list[NDArray[np.float32]] = []
        for task in tasks:
            vectors = found[task.name].embeddings
            # tasks that read the same embeddings have them once, as in flair
            if vectors is not None and not any(np.array_equal(vectors, other) for other in put):
                put.append(vectors)
                _put(sentence, name_of(task), vectors)
    store_embeddings([*sentences], storage)  # type: ignore[arg-type] # its docs allow None


def name_of(task: Task) -> str:
    """Return the name under which the embeddings of a task are stored."""
    return f"assembled:{task.name}"


def _put(sentence: Sentence, name: str, vectors: NDArray[np.float32]) -> None:
    tensor = torch.from_numpy(vectors).to(flair.device)
    if tensor.ndim == 1:
        sentence.set_embedding(name, tensor)
        return
    for token, row in zip(sentence.tokens, tensor, strict=True):
        token.set_embedding(name, row)


class OnnxEmbeddings(Embeddings[Sentence]):
    """The embeddings of an assembled model: those of tokens, or of sentences, that its head reads."""

    embeddings_name = "OnnxEmbeddings"

    def __init__(self, runner: TaskRunner, task: Task) -> None:
        """Take a loaded model and one of its tasks."""
        self.name = name_of(task)
        self.static_embeddings = True
        super().__init__()
        self._runner, self._task = runner, task

    @property
    def embedding_length(self) -> int:
        """The size of a vector.

        Raises:
            ModelError: M032 if the model was built without an output for them.
        """
        return self._runner.features(self._task.name) or 0

    @property
    def embedding_type(self) -> str:
        """Whether tokens or sentences have them, in flair's words."""
        return "sentence-level" if isinstance(self._task, SentenceTask) else "word-level"

    def _everything_embedded(self, data_points: Sequence[Sentence]) -> bool:
        if isinstance(self._task, SentenceTask):
            return super()._everything_embedded(data_points)
        return all(self.name in token._embeddings for sentence in data_points for token in sentence)  # noqa: SLF001

    def _add_embeddings_internal(self, sentences: list[Sentence]) -> None:
        filled = [sentence for sentence in sentences_of(sentences) if len(sentence) > 0]
        Sentence.set_context_for_sentences(sentences)
        own = [placed(sentence, self._runner.interface) for sentence in filled]
        results = self._runner.run(own, [self._task.name], Wanted(embeddings=True))
        for sentence, found in zip(filled, results, strict=True):
            vectors = found[self._task.name].embeddings
            if vectors is not None:
                _put(sentence, self.name, vectors)
