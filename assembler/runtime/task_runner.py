"""All tasks of a model, whatever they read and find, in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from assembler.interface.tasks import NumberTask, SentenceTask, TokenTask
from assembler.runtime.head import Head
from assembler.runtime.heads_reader import HeadsReader
from assembler.runtime.number_head import NumberHead
from assembler.runtime.runner import Runner, opened
from assembler.runtime.sentence_head import SentenceHead
from assembler.runtime.wanted import LABELS, Wanted

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from assembler.interface.tasks import Task
    from assembler.runtime.classifications import Classification
    from assembler.runtime.context import Readable
    from assembler.runtime.interface import Interface
    from assembler.runtime.metadata import Metadata
    from assembler.runtime.ratings import Rating
    from assembler.runtime.runner import Progress
    from assembler.runtime.sentence import TaskTags
    from assembler.runtime.session import Provider, Session

    AnyHead: TypeAlias = Head | SentenceHead | NumberHead

#: What a task has found in one sentence.
Outcome: TypeAlias = "TaskTags | Classification | Rating"


class TaskRunner:
    """A model with its tasks of both kinds. `Tagger` and `TextClassifier` have those of one kind."""

    __slots__ = ("_heads", "_runner")

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
            ModelError: As for `Tagger`; M014 if it has no task.
            ValueError: If `threads` is below 1, or this ONNX Runtime lacks one of the providers.
        """
        session, metadata = opened(path, threads=threads, spin=spin, providers=providers, verify=verify)
        self._heads: dict[str, AnyHead] = {head.task.name: head for head in _heads(metadata, session)}
        self._heads = {task.name: self._heads[task.name] for task in metadata.tasks}
        self._runner = Runner(session, metadata)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Its tasks, in the order of the model."""
        return tuple(head.task for head in self._heads.values())

    @property
    def file(self) -> str:
        """The model's file, as it was named."""
        return self._runner.session.file

    @property
    def interface(self) -> Interface:
        """The model's inputs and outputs for a host."""
        return self._runner.interface

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the assembler wrote into the file, as for `Tagger`."""
        return self._runner.metadata.entries

    def features(self, task: str) -> int | None:
        """Return the size of the vectors that a task's head reads; `None` if the file does not fix it.

        Raises:
            KeyError: There is no such task.
            ModelError: M032 if the model was built without an output for them.
        """
        name = self._heads[task].outputs(Wanted(embeddings=True))[-1]
        return self._runner.session.output_shapes()[name][-1]

    def run(
        self,
        sentences: Sequence[Readable],
        tasks: Collection[str],
        wanted: Wanted = LABELS,
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, Outcome]]:
        """Return for each sentence what each of some tasks has found in it.

        Args:
            sentences: The sentences with their neighbours, or examples of several, without empty tokens. Where the
                model has a prompt (`interface.prompt`), they begin with it, and results are of its words too.
            tasks: The names of the tasks.
            wanted: What is asked for beside labels and scores.
            batch_size: As for `Tagger.tag`.
            progress: As for `Tagger.tag`.

        Raises:
            KeyError: There is no such task.
            ValueError: If `batch_size` is below 1.
            ModelError: As for `Tagger.tag` and `TextClassifier.classify`.
        """
        names = [*tasks]
        reader: HeadsReader[Outcome, dict[str, Outcome]] = HeadsReader(
            [self._heads[name] for name in names], wanted, lambda _, found: dict(zip(names, found, strict=True))
        )
        return self._runner.run(sentences, reader, batch_size=batch_size, progress=progress)


def _heads(metadata: Metadata, session: Session) -> Iterator[AnyHead]:
    found = {type(task) for task in metadata.tasks}
    if SentenceTask in found:
        yield from SentenceHead.all_of(metadata, session)
    if NumberTask in found:
        yield from NumberHead.all_of(metadata, session)
    if TokenTask in found or not found:
        yield from Head.all_of(metadata, session)
