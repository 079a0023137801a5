"""A classifier: it takes sentences and returns the labels of each, in the caller's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.classifications import ClassifiedSentence
from assembler.runtime.heads_reader import HeadsReader
from assembler.runtime.runner import BATCHES_IN_A_WINDOW, Runner, opened
from assembler.runtime.sentence_head import SentenceHead
from assembler.runtime.wanted import LABELS, Wanted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.interface.tasks import SentenceTask
    from assembler.runtime.classifications import Classification
    from assembler.runtime.context import InContext
    from assembler.runtime.interface import Interface
    from assembler.runtime.runner import Progress
    from assembler.runtime.session import Provider


class TextClassifier:
    """An assembled classifier of texts, from its model file alone.

    Its only state is the loaded model, so several threads may use one. It prints nothing and logs nothing.
    """

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
            ModelError: As for `Tagger`; M014 if it classifies no sentences, or pairs of them.
            ValueError: If `threads` is below 1, or this ONNX Runtime lacks one of the providers.
        """
        session, metadata = opened(path, threads=threads, spin=spin, providers=providers, verify=verify)
        self._heads = SentenceHead.all_of(metadata, session)
        if any(task.texts.count > 1 for task in self.tasks):
            message = f"the model labels examples of {self.tasks[0].texts.count} texts, not sentences"
            raise ModelError(Problem("M014", message, "open it with assembler.runtime.Labeller", session.file))
        self._runner = Runner(session, metadata)

    @property
    def tasks(self) -> tuple[SentenceTask, ...]:
        """The model's tasks on sentences. A result itself has the labels of the first."""
        return tuple(head.task for head in self._heads)

    @property
    def interface(self) -> Interface:
        """The model's inputs and outputs for a host."""
        return self._runner.interface

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the assembler wrote into the file: parsed JSON by entry (`versions`, `sources`, `spec`, …)."""
        return self._runner.metadata.entries

    def classify(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        tokenizer: str | None = None,
        probabilities: bool = False,
        embeddings: bool = False,
    ) -> list[ClassifiedSentence]:
        """Label sentences, which are split into tokens unless a tokeniser is named.

        Args:
            sentences: A list of tokens for each sentence. Empty tokens are dropped, as flair drops them; a sentence
                without tokens has no label.
            batch_size: The largest number of sentences in one run; by default as for `Tagger.tag`.
            progress: Called with the number of sentences that have been finished since the call before.
            tokenizer: One of `tokenization.TOKENIZERS` for sentences that are raw text, a string each. The tokens of
                results then have their place in the text.
            probabilities: Whether results have the labels of their `probabilities` too, as `classes`; their records
                then have both.
            embeddings: Whether results have the vectors that the heads read: `embeddings`.

        Returns:
            A result for each sentence, in the order of `sentences`.

        Raises:
            TypeError: If a sentence is not a list of strings, or with a tokeniser not a string; the message says which.
            ValueError: If `batch_size` is below 1, or there is no such tokeniser.
            ModelError: M015 if the run fails in ONNX Runtime, M014 if its outputs do not match the metadata, M019 for a
                sentence that is too long for the model, M032 if the model was built without an output for `embeddings`.
        """
        reader = self._reader(Wanted(probabilities=probabilities, embeddings=embeddings))
        found = list(self._runner.placed(sentences, tokenizer))
        return self._runner.run(found, reader, batch_size=batch_size, progress=progress)

    def classify_in_context(
        self, sentences: Sequence[InContext], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> list[ClassifiedSentence]:
        """Label sentences whose neighbours the caller knows, as `Tagger.tag_in_context` does.

        Raises:
            ValueError: As for `classify`.
            ModelError: As for `classify`.
        """
        return self._runner.run(sentences, self._reader(LABELS), batch_size=batch_size, progress=progress)

    def stream(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        batch_size: int | None = None,
        window: int = BATCHES_IN_A_WINDOW,
        progress: Progress | None = None,
        tokenizer: str | None = None,
        probabilities: bool = False,
        embeddings: bool = False,
    ) -> Iterator[ClassifiedSentence]:
        """Label any number of sentences with bounded memory, as `Tagger.stream` does.

        Raises:
            TypeError: As for `classify`, when the window with the sentence is reached.
            ValueError: If `batch_size` or `window` is below 1, or there is no such tokeniser, at once.
            ModelError: As for `classify`.
        """
        reader = self._reader(Wanted(probabilities=probabilities, embeddings=embeddings))
        found = self._runner.placed(sentences, tokenizer)
        return self._runner.stream(found, reader, batch_size=batch_size, window=window, progress=progress)

    def _reader(self, wanted: Wanted) -> HeadsReader[Classification, ClassifiedSentence]:
        return HeadsReader(self._heads, wanted, self._joined)

    def _joined(self, tokens: tuple[str, ...], found: Sequence[Classification]) -> ClassifiedSentence:
        first, names = found[0], [head.task.name for head in self._heads]
        further = tuple(zip(names[1:], found[1:], strict=True))
        return ClassifiedSentence(
            tokens, first.labels, first.probabilities, names[0], further, first.classes, first.embeddings
        )
