"""Runs models whose examples are pairs or triples of texts, or whose results are numbers."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.interface.examples import Example
from assembler.interface.tasks import TokenTask
from assembler.runtime.batching import read_sentences, require_listed, require_positive, windows
from assembler.runtime.example_reading import placed
from assembler.runtime.runner import BATCHES_IN_A_WINDOW
from assembler.runtime.task_runner import TaskRunner
from assembler.runtime.tokenization import tokenize
from assembler.runtime.wanted import Wanted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.interface.examples import Texts
    from assembler.interface.tasks import Task
    from assembler.runtime.interface import Interface
    from assembler.runtime.runner import Progress
    from assembler.runtime.session import Provider
    from assembler.runtime.task_runner import Outcome

_BATCH = 32


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """The result for one example.

    Attributes:
        texts: The tokens of each of its texts, as they were given.
        tasks: What each task has found, by its name: a `Classification`, or a `Rating`.
    """

    texts: tuple[tuple[str, ...], ...]
    tasks: Mapping[str, Outcome]

    @property
    def found(self) -> Outcome:
        """What the first task has found."""
        return next(iter(self.tasks.values()))

    def as_dict(self) -> dict[str, object]:
        """Return the example as values that `json.dumps` takes: its texts, and what the first task has found.

        For a model with several tasks, `tasks` has what each has found by its name.
        """
        record = {**Example(self.texts).as_dict(), **self.found.as_dict()}
        if len(self.tasks) > 1:
            record["tasks"] = {name: found.as_dict() for name, found in self.tasks.items()}
        return record


class Labeller:
    """An assembled model of sentences, pairs or triples, from its model file alone.

    It runs every model that gives no tags of tokens: regressors, and classifiers of any number of texts. Several
    threads may use one.
    """

    __slots__ = ("_runner",)

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
            ModelError: As for `Tagger`; M014 if it has a task on tokens.
            ValueError: If `threads` is below 1, or this ONNX Runtime lacks one of the providers.
        """
        self._runner = TaskRunner(path, threads=threads, spin=spin, providers=providers, verify=verify)
        if any(isinstance(task, TokenTask) for task in self._runner.tasks):
            message = "the model labels tokens, whose tags a Labeller does not give"
            hint = "open it with assembler.runtime.Tagger"
            raise ModelError(Problem("M014", message, hint, self._runner.file))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Its tasks, in the order of the model."""
        return self._runner.tasks

    @property
    def texts(self) -> Texts:
        """What an example consists of."""
        return self.tasks[0].texts

    @property
    def interface(self) -> Interface:
        """The model's inputs and outputs for a host."""
        return self._runner.interface

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the assembler wrote into the file, as for `Tagger`."""
        return self._runner.metadata

    def label(
        self,
        examples: Iterable[Sequence[object]],
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        tokenizer: str | None = None,
        probabilities: bool = False,
        embeddings: bool = False,
    ) -> list[LabelledExample]:
        """Label examples.

        Args:
            examples: For a model on sentences a list of tokens each; for one on pairs or triples a list or tuple of two
                or three of those. Empty tokens are dropped. flair's models have nothing for an example without tokens;
                of texts that are embedded alone, none may lack tokens, or there is nothing either (flair fails).
            batch_size: The largest number of examples in one run.
            progress: Called with the number of examples that have been finished since the call before.
            tokenizer: One of `tokenization.TOKENIZERS` for texts that are raw, a string each.
            probabilities: As for `TextClassifier.classify`.
            embeddings: As for `TextClassifier.classify`.

        Returns:
            A result for each example, in their order.

        Raises:
            TypeError: If an example is not of as many texts as the model reads; the message says which.
            ValueError: If `batch_size` is below 1, or there is no such tokeniser.
            ModelError: As for `TextClassifier.classify`.
        """
        given = [*self._examples(examples, tokenizer)]
        interface, names = self.interface, [task.name for task in self.tasks]
        read = [*placed(given, self.texts, interface.context, interface.prompt)]
        wanted = Wanted(probabilities=probabilities, embeddings=embeddings)
        results = self._runner.run(read, names, wanted, batch_size=batch_size, progress=progress)
        return [LabelledExample(each.texts, found) for each, found in zip(given, results, strict=True)]

    def stream(
        self,
        examples: Iterable[Sequence[object]],
        *,
        batch_size: int | None = None,
        window: int = BATCHES_IN_A_WINDOW,
        progress: Progress | None = None,
        tokenizer: str | None = None,
        probabilities: bool = False,
    ) -> Iterator[LabelledExample]:
        """Label any number of examples with bounded memory: `label` window by window.

        An encoder that reads the neighbours of a sentence reads those of the same window.

        Raises:
            TypeError, ModelError: As for `label`, when the window with the example is reached.
            ValueError: If `batch_size` or `window` is below 1, at once.
        """
        size = _BATCH if batch_size is None else require_positive("batch_size", batch_size)
        blocks = windows(examples, size * require_positive("window", window))
        options = {"batch_size": batch_size, "progress": progress, "tokenizer": tokenizer}
        return (each for own in blocks for each in self.label(own, probabilities=probabilities, **options))  # type: ignore[arg-type]

    def _examples(self, given: Iterable[Sequence[object]], tokenizer: str | None) -> Iterator[Example]:
        count = self.texts.count
        require_listed("examples", "sentences" if count == 1 else f"lists of {count} texts", given)
        for number, each in enumerate(given):
            texts = [each] if count == 1 else each
            if not isinstance(texts, Sequence) or isinstance(texts, str) or len(texts) != count:
                message = f"example {number}: expected {count} texts, got {reprlib.repr(each)}"
                raise TypeError(message)
            try:
                read = read_sentences(texts if tokenizer is None else tokenize(texts, tokenizer))  # type: ignore[arg-type]
                yield Example(tuple(read))
            except TypeError as err:
                message = f"example {number}: {err}"
                raise TypeError(message) from err
