"""A tagger: it takes sentences and returns their tags, in the caller's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.head import Head
from assembler.runtime.heads_reader import HeadsReader
from assembler.runtime.prompting import prompted, without_prompt
from assembler.runtime.runner import BATCHES_IN_A_WINDOW, Runner, opened
from assembler.runtime.sentence import TaggedSentence
from assembler.runtime.wanted import Wanted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.interface.tasks import TokenTask
    from assembler.runtime.context import InContext
    from assembler.runtime.interface import Interface
    from assembler.runtime.runner import Progress
    from assembler.runtime.sentence import TaskTags
    from assembler.runtime.session import Provider


class Tagger:
    """An assembled tagger, from its model file alone.

    Its only state is the loaded model, so several threads may use one tagger. It prints nothing and logs nothing.

    Limits: a batch holds the hidden states of all its characters at once, about `sentences * longest text * hidden size
    * 4` bytes for each language model; texts are never split.
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
        """Load the model at `path`.

        Args:
            path: A model that `assemble` wrote; external data is looked for beside it.
            threads: Threads within an operator, at least 1; `None` leaves the choice to ONNX Runtime.
            spin: Whether threads wait by spinning while a run lasts: faster, most of all for one sentence at a time.
                Use `False` if the cores are shared with other programs, or if several runs happen at the same time.
            providers: Execution providers of ONNX Runtime in order of preference, each a name or a name with its
                options; `None` is the CPU, even if others are installed.
            verify: Whether to check that the file is whole, by the digest that it carries. `False` skips the hashing of
                large weights, which happens while ONNX Runtime loads them.

        Raises:
            ModelError: M010 the file cannot be read, M011 ONNX Runtime cannot load it, M012 the assembler did not write
                it, M013 its metadata are damaged or of another format, M014 it is not a tagger or has inputs that this
                runtime cannot fill, M018 a library that fills an input is not installed, M021 the file is damaged, M022
                it carries no digest, or one that cannot be made here.
            ValueError: If `threads` is below 1, or this ONNX Runtime lacks one of the providers.
        """
        session, metadata = opened(path, threads=threads, spin=spin, providers=providers, verify=verify)
        if metadata.interface.label_pairs is not None:
            message = "the model reads a label beside each text (TARS)"
            raise ModelError(Problem("M014", message, "open it with assembler.runtime.Tars", session.file))
        self._heads = Head.all_of(metadata, session)
        self._runner = Runner(session, metadata)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each class of the first task by its id."""
        return self._heads[0].task.labels

    @property
    def tasks(self) -> tuple[TokenTask, ...]:
        """The model's tasks on tokens. A result itself has the tags of the first."""
        return tuple(head.task for head in self._heads)

    @property
    def interface(self) -> Interface:
        """The model's inputs and outputs for a host."""
        return self._runner.interface

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers that run the model, in order of preference."""
        return self._runner.session.providers

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the assembler wrote into the file: parsed JSON by entry (`versions`, `sources`, `spec`, …)."""
        return self._runner.metadata.entries

    def tag(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        force_tokens: bool = False,
        tokenizer: str | None = None,
        probabilities: bool = False,
        embeddings: bool = False,
    ) -> list[TaggedSentence]:
        """Tag sentences, which are split into tokens unless a tokeniser is named.

        Args:
            sentences: A list of tokens for each sentence. Empty tokens are dropped, as flair drops them; a sentence
                without tokens has an empty result. If `interface.context` is above 0, each is read with tokens of the
                sentences around it, as in flair's `predict`.
            batch_size: The largest number of sentences in one run. Batches hold sentences of similar length, whatever
                the order here. By default 32, as in flair, or 128 if the language models let sentences share a lane.
            progress: Called with the number of sentences that have been finished since the call before.
            force_tokens: Whether to leave out the spans.
            tokenizer: One of `tokenization.TOKENIZERS` for sentences that are raw text, a string each. Results then
                have the place of each token in it: `offsets`.
            probabilities: Whether results have the probabilities of all classes: `classes` and `probabilities`.
            embeddings: Whether results have the vectors that the heads read: `embeddings`.

        Returns:
            A result for each sentence, in the order of `sentences`.

        Raises:
            TypeError: If a sentence is not a list of strings, or with a tokeniser not a string; the message says which.
            ValueError: If `batch_size` is below 1, or there is no such tokeniser.
            ModelError: M015 if the run fails in ONNX Runtime, M013 or M014 if its outputs do not match the metadata,
                M019 for a sentence that is too long for the model, M032 if the model was built without an output for
                `probabilities` or `embeddings`.
        """
        wanted = Wanted(force_tokens, probabilities, embeddings)
        found = self._prompted(self._runner.placed(sentences, tokenizer))
        return self._runner.run(list(found), self._reader(wanted), batch_size=batch_size, progress=progress)

    def tag_in_context(
        self,
        sentences: Sequence[InContext],
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        force_tokens: bool = False,
        probabilities: bool = False,
        embeddings: bool = False,
    ) -> list[TaggedSentence]:
        """Tag sentences with neighbours from the caller, instead of those next to them in the list.

        Only models with `interface.context` above 0 read the neighbours: encoders that were trained with them (FLERT).
        Where the model has a prompt (`interface.prompt`), it is put before each sentence. Neighbours are read as they
        are given.

        Args:
            sentences: The sentences, without empty tokens.
            batch_size: As for `tag`.
            progress: As for `tag`.
            force_tokens: As for `tag`.
            probabilities: As for `tag`.
            embeddings: As for `tag`.

        Returns:
            As `tag`.

        Raises:
            ValueError: As for `tag`.
            ModelError: As for `tag`.
        """
        reader = self._reader(Wanted(force_tokens, probabilities, embeddings))
        found = list(self._prompted(sentences))
        return self._runner.run(found, reader, batch_size=batch_size, progress=progress)

    def stream(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        batch_size: int | None = None,
        window: int = BATCHES_IN_A_WINDOW,
        progress: Progress | None = None,
        force_tokens: bool = False,
        tokenizer: str | None = None,
        probabilities: bool = False,
        embeddings: bool = False,
    ) -> Iterator[TaggedSentence]:
        """Tag any number of sentences with bounded memory: the same results as `tag`, one after another.

        For lossy profiles they are close: the output of int8 depends a little on the sentences that run together.

        Args:
            sentences: As for `tag`. No more than `window * batch_size` are read ahead of the results, and as many more
                as fill the context of the last.
            batch_size: As for `tag`.
            window: Batches that are read and sorted together. More make fuller batches, fewer a quicker first result.
            progress: As for `tag`.
            force_tokens: As for `tag`.
            tokenizer: As for `tag`.
            probabilities: As for `tag`.
            embeddings: As for `tag`.

        Returns:
            The results in the order of `sentences`. Nothing is read before the first is requested.

        Raises:
            TypeError: As for `tag`, when the window with the sentence is reached.
            ValueError: If `batch_size` or `window` is below 1, at once.
            ModelError: As for `tag`.
        """
        reader = self._reader(Wanted(force_tokens, probabilities, embeddings))
        found = self._prompted(self._runner.placed(sentences, tokenizer))
        return self._runner.stream(found, reader, batch_size=batch_size, window=window, progress=progress)

    def _reader(self, wanted: Wanted) -> HeadsReader[TaskTags, TaggedSentence]:
        return HeadsReader(self._heads, wanted, self._joined)

    def _prompted(self, sentences: Iterable[InContext]) -> Iterator[InContext]:
        return (prompted(sentence, self.interface.prompt) for sentence in sentences)

    def _joined(self, tokens: tuple[str, ...], found: Sequence[TaskTags]) -> TaggedSentence:
        prompt = self.interface.prompt
        tags = [without_prompt(each, prompt) for each in found]
        first, names = tags[0], [head.task.name for head in self._heads]
        return TaggedSentence(
            tokens[len(prompt.words) :],
            first.labels,
            first.scores,
            first.spans,
            names[0],
            tuple(zip(names[1:], tags[1:], strict=True)),
            first.classes,
            first.probabilities,
            first.embeddings,
        )
