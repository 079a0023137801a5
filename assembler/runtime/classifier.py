"""A classifier: sentences in, labels of each as a whole out, in the caller's order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.batching import batches, read_sentences, require_positive, windows
from assembler.runtime.context import in_context
from assembler.runtime.encoding import encode
from assembler.runtime.metadata import Metadata
from assembler.runtime.ports import FLOAT32, require_ports
from assembler.runtime.session import Session
from assembler.runtime.tasks import SentenceTask

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.context import InContext
    from assembler.runtime.interface import Interface
    from assembler.runtime.session import Provider

    Progress = Callable[[int], None]

_BATCHES_IN_A_WINDOW = 32


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a sentence.

    Attributes:
        value: The label.
        score: Its probability: the float32 that the model gave.
    """

    value: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """What one task says about one sentence.

    Attributes:
        labels: In flair's order, that of the classes. Of a sentence without tokens, and where none is likely enough,
            there is none.
        probabilities: The probability of each class; empty for a sentence without tokens.
    """

    labels: tuple[Label, ...] = ()
    probabilities: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the labels as values that `json.dumps` takes."""
        return {"labels": [asdict(label) for label in self.labels]}


@dataclass(frozen=True, slots=True)
class ClassifiedSentence:
    """What a classifier says about one sentence. Labels and probabilities are those of the model's first task.

    Attributes:
        tokens: The tokens that were read: those of the caller without the empty ones, which flair drops.
        labels: As in `Classification`.
        probabilities: As in `Classification`.
        task: The name of the first task.
        further: The names of the other tasks, each with what it says.
    """

    tokens: tuple[str, ...]
    labels: tuple[Label, ...]
    probabilities: tuple[float, ...]
    task: str = field(default="", compare=False)
    further: tuple[tuple[str, Classification], ...] = ()

    @property
    def tasks(self) -> dict[str, Classification]:
        """What each task says, by the tasks' names; the first is what stands in the sentence itself."""
        return {self.task: Classification(self.labels, self.probabilities), **dict(self.further)}

    def as_dict(self) -> dict[str, object]:
        """Return the sentence as values that `json.dumps` takes; of several tasks, `tasks` has each by its name."""
        record = {"tokens": list(self.tokens), **Classification(self.labels, self.probabilities).as_dict()}
        if self.further:
            record["tasks"] = {name: found.as_dict() for name, found in self.tasks.items()}
        return record


class TextClassifier:
    """An assembled classifier of texts, from its model file alone.

    It holds no state but the loaded model: several threads may use one. It prints nothing and logs nothing.
    """

    __slots__ = ("_metadata", "_session", "_tasks")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        spin: bool = True,
        providers: Sequence[Provider] | None = None,
        verify: bool = True,
    ) -> None:
        """Load the model at `path`; arguments and errors are those of `Tagger`.

        Raises:
            ModelError: As for `Tagger`; M014 if it classifies no sentences.
            ValueError: If `threads` is below 1, or this ONNX Runtime has not got one of the providers.
        """
        self._session = Session.open(path, threads=threads, spin=spin, providers=providers, verify=verify)
        self._metadata = Metadata.read(self._session.metadata, self._session.file)
        self._metadata.interface.require_libraries(self._session.file)
        self._tasks = tuple(task for task in self._metadata.tasks if isinstance(task, SentenceTask))
        if not self._tasks:
            message = f"the model classifies no sentences: its outputs are {', '.join(self._session.outputs)}"
            hint = "open it with assembler.runtime.Tagger" if self._metadata.tasks else None
            raise ModelError(Problem("M014", message, hint, self._session.file))
        outputs = {task.probabilities: FLOAT32 for task in self._tasks}
        require_ports(self._metadata.interface, self._session, outputs)
        self._metadata.interface.require_libraries(self._session.file)

    @property
    def tasks(self) -> tuple[SentenceTask, ...]:
        """What the model decides for sentences; the first is what a result has in itself."""
        return self._tasks

    @property
    def interface(self) -> Interface:
        """What the model asks of its host, and what it gives."""
        return self._metadata.interface

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the assembler wrote into the file: parsed JSON by entry (`versions`, `sources`, `spec`, …)."""
        return self._metadata.entries

    def classify(
        self, sentences: Iterable[Sequence[str]], *, batch_size: int = 32, progress: Progress | None = None
    ) -> list[ClassifiedSentence]:
        """Label sentences that are split into tokens.

        Args:
            sentences: A list of tokens for each sentence. Empty tokens are dropped, as flair drops them; a sentence
                without tokens has no label.
            batch_size: The most sentences in one run.
            progress: Called with the number of sentences that have been finished since the call before.

        Returns:
            A result for each sentence, in the order of `sentences`.

        Raises:
            TypeError: If a sentence is not a list of strings: the message says which one.
            ValueError: If `batch_size` is below 1.
            ModelError: M015 if the run fails in ONNX Runtime, M014 if it does not give what the metadata say.
        """
        found = in_context(read_sentences(sentences), self.interface.context)
        return self.classify_in_context(list(found), batch_size=batch_size, progress=progress)

    def classify_in_context(
        self, sentences: Sequence[InContext], *, batch_size: int = 32, progress: Progress | None = None
    ) -> list[ClassifiedSentence]:
        """Label sentences whose neighbours the caller knows, as `Tagger.tag_in_context` does.

        Raises:
            ValueError: As for `classify`.
            ModelError: As for `classify`.
        """
        require_positive("batch_size", batch_size)
        return self._classify(sentences, batch_size, progress)

    def stream(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        batch_size: int = 32,
        window: int = _BATCHES_IN_A_WINDOW,
        progress: Progress | None = None,
    ) -> Iterator[ClassifiedSentence]:
        """Label any number of sentences with bounded memory, as `Tagger.stream` does.

        Raises:
            TypeError: As for `classify`, when the window with the sentence is reached.
            ValueError: If `batch_size` or `window` is below 1, at once.
            ModelError: As for `classify`.
        """
        size = require_positive("batch_size", batch_size) * require_positive("window", window)
        read = windows(in_context(read_sentences(sentences), self.interface.context), size)
        return (found for block in read for found in self._classify(block, batch_size, progress))

    def _classify(
        self, sentences: Sequence[InContext], batch_size: int, progress: Progress | None
    ) -> list[ClassifiedSentence]:
        results = [self._joined((), [Classification()] * len(self._tasks))] * len(sentences)
        if progress is not None:
            progress(sum(not sentence.tokens for sentence in sentences))
        for numbers in batches(sentences, batch_size):
            batch = [sentences[number] for number in numbers]
            for number, found in zip(numbers, self._classify_batch(batch), strict=True):
                results[number] = found
            if progress is not None:
                progress(len(batch))
        return results

    def _classify_batch(self, batch: list[InContext]) -> list[ClassifiedSentence]:
        feeds = encode(self._metadata.interface, batch)
        outputs = self._session.run([task.probabilities for task in self._tasks], feeds)
        read = [self._read(task, output, len(batch)) for task, output in zip(self._tasks, outputs, strict=True)]
        return [self._joined(each.tokens, found) for each, *found in zip(batch, *read, strict=True)]

    def _read(self, task: SentenceTask, output: NDArray[np.generic], sentences: int) -> list[Classification]:
        wanted = (sentences, len(task.labels))
        if output.shape != wanted:
            message = f"output '{task.probabilities}' has the shape {list(output.shape)}, expected {list(wanted)}"
            raise ModelError(Problem("M014", message, file=self._session.file))
        rows: list[list[float]] = output.tolist()
        return [Classification(labels_of(task, row), tuple(row)) for row in rows]

    def _joined(self, tokens: tuple[str, ...], found: Sequence[Classification]) -> ClassifiedSentence:
        first, names = found[0], [task.name for task in self._tasks]
        further = tuple(zip(names[1:], found[1:], strict=True))
        return ClassifiedSentence(tokens, first.labels, first.probabilities, names[0], further)


def labels_of(task: SentenceTask, probabilities: Sequence[float]) -> tuple[Label, ...]:
    """Return the labels that flair gives for the probabilities of the classes (0.15.1, nn/model.py 865-905).

    Args:
        task: The task: one label of the most probable class, the first of equals, or every label above its threshold.
        probabilities: The probability of each class.
    """
    if task.multi_label:
        rows = zip(task.labels, probabilities, task.thresholds, strict=True)
        chosen = [Label(label, score) for label, score, threshold in rows if score > threshold]
    else:
        best = int(np.argmax(probabilities))
        chosen = [Label(task.labels[best], probabilities[best])]
    return tuple(label for label in chosen if label.value not in task.skipped)
