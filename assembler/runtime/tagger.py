"""A tagger: sentences in, tags out, in the caller's order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from assembler.runtime.batching import batches, even_size, read_sentences, require_positive, windows
from assembler.runtime.context import in_context
from assembler.runtime.encoding import encode
from assembler.runtime.head import Head
from assembler.runtime.metadata import Metadata
from assembler.runtime.packing import can_pack, packed
from assembler.runtime.sentence import TaggedSentence, TaskTags
from assembler.runtime.session import Session
from assembler.runtime.shapes import FixedShapes
from assembler.runtime.tokenization import tokenize

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from assembler.runtime.context import InContext
    from assembler.runtime.encoding import Encoded
    from assembler.runtime.interface import Interface
    from assembler.runtime.session import Provider
    from assembler.runtime.tasks import TokenTask

    Progress = Callable[[int], None]

_BATCHES_IN_A_WINDOW = 32
_BATCH, _PACKED_BATCH = 32, 128


class Tagger:
    """An assembled tagger, from its model file alone.

    It holds no state but the loaded model: several threads may use one tagger. It prints nothing and logs nothing.

    Limits: a batch holds the hidden states of all its characters at once, about
    `sentences * longest text * hidden size * 4` bytes for each language model; texts are never cut.
    """

    __slots__ = ("_heads", "_metadata", "_session", "_shapes")

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
                Give `False` where the cores are shared with other programs, or several runs go on at the same time.
            providers: Execution providers of ONNX Runtime in order of preference, each a name or a name with its
                options; `None` is the CPU, also where others are installed.
            verify: Whether to look if the file is whole, by the digest that it carries. `False` saves the hashing of
                large weights, which goes on while ONNX Runtime loads them.

        Raises:
            ModelError: M010 the file cannot be read, M011 ONNX Runtime cannot load it, M012 the assembler did not write
                it, M013 its metadata are damaged or of another format, M014 it is no tagger or wants what this runtime
                cannot fill, M018 a library that fills an input is not installed, M021 the file is damaged, M022 it
                carries no digest, or one that cannot be made here.
            ValueError: If `threads` is below 1, or this ONNX Runtime has not got one of the providers.
        """
        self._session = Session.open(path, threads=threads, spin=spin, providers=providers, verify=verify)
        self._metadata = Metadata.read(self._session.metadata, self._session.file)
        self._metadata.interface.require_libraries(self._session.file)
        self._heads = Head.all_of(self._metadata, self._session)
        self._shapes = FixedShapes.of(self._metadata.interface, self._session)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each class of the first task by its id."""
        return self._heads[0].task.labels

    @property
    def tasks(self) -> tuple[TokenTask, ...]:
        """What the model decides for tokens; the first is what a result has in itself."""
        return tuple(head.task for head in self._heads)

    @property
    def interface(self) -> Interface:
        """What the model asks of its host, and what it gives."""
        return self._metadata.interface

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers that run the model, in order of preference."""
        return self._session.providers

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the assembler wrote into the file: parsed JSON by entry (`versions`, `sources`, `spec`, …)."""
        return self._metadata.entries

    def tag(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        force_tokens: bool = False,
        tokenizer: str | None = None,
    ) -> list[TaggedSentence]:
        """Tag sentences, which are split into tokens unless a tokeniser is named.

        Args:
            sentences: A list of tokens for each sentence. Empty tokens are dropped, as flair drops them; a sentence
                without tokens has an empty result. Where `interface.context` is above 0, the tokens of the sentences
                around it are read with each, as in flair's `predict`.
            batch_size: The most sentences in one run. Batches hold sentences of like length, whatever the order here.
                By default 32, as in flair, or 128 where the language models let sentences share a lane.
            progress: Called with the number of sentences that have been finished since the call before.
            force_tokens: Whether to leave out the spans.
            tokenizer: One of `tokenization.TOKENIZERS` for sentences that are raw text, a string each. Results then
                have the place of each token in it: `offsets`.

        Returns:
            A result for each sentence, in the order of `sentences`.

        Raises:
            TypeError: If a sentence is not a list of strings, or with a tokeniser no string: the message says which.
            ValueError: If `batch_size` is below 1, or there is no such tokeniser.
            ModelError: M015 if the run fails in ONNX Runtime, M013 or M014 if it does not give what the metadata say,
                M019 for a sentence that is too long for the model.
        """
        tokens = sentences if tokenizer is None else tokenize(sentences, tokenizer)
        found = in_context(read_sentences(tokens), self.interface.context)
        return self.tag_in_context(list(found), batch_size=batch_size, progress=progress, force_tokens=force_tokens)

    def tag_in_context(
        self,
        sentences: Sequence[InContext],
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        force_tokens: bool = False,
    ) -> list[TaggedSentence]:
        """Tag sentences whose neighbours the caller knows, instead of those that stand beside them here.

        Only models with `interface.context` above 0 read the neighbours: encoders that were trained with them (FLERT).

        Args:
            sentences: The sentences, without empty tokens.
            batch_size: As for `tag`.
            progress: As for `tag`.
            force_tokens: As for `tag`.

        Returns:
            As `tag`.

        Raises:
            ValueError: As for `tag`.
            ModelError: As for `tag`.
        """
        return self._tag(sentences, self._size(batch_size), progress, force_tokens=force_tokens)

    def stream(
        self,
        sentences: Iterable[Sequence[str]],
        *,
        batch_size: int | None = None,
        window: int = _BATCHES_IN_A_WINDOW,
        progress: Progress | None = None,
        force_tokens: bool = False,
        tokenizer: str | None = None,
    ) -> Iterator[TaggedSentence]:
        """Tag any number of sentences with bounded memory: the same results as `tag`, one after the other.

        Of lossy profiles they are near: what int8 gives depends a little on the sentences that run together.

        Args:
            sentences: As for `tag`. No more than `window * batch_size` are read ahead of the results, and as many more
                as fill the context of the last.
            batch_size: As for `tag`.
            window: Batches that are read and sorted together. More make fuller batches, fewer a quicker first result.
            progress: As for `tag`.
            force_tokens: As for `tag`.
            tokenizer: As for `tag`.

        Returns:
            The results in the order of `sentences`. Nothing is read before the first is asked for.

        Raises:
            TypeError: As for `tag`, when the window with the sentence is reached.
            ValueError: If `batch_size` or `window` is below 1, at once.
            ModelError: As for `tag`.
        """
        in_one = self._size(batch_size)
        size = in_one * require_positive("window", window)
        tokens = sentences if tokenizer is None else tokenize(sentences, tokenizer)
        read = windows(in_context(read_sentences(tokens), self.interface.context), size)
        return (tagged for block in read for tagged in self._tag(block, in_one, progress, force_tokens=force_tokens))

    def _size(self, batch_size: int | None) -> int:
        if batch_size is None:
            return _PACKED_BATCH if can_pack(self.interface) else _BATCH
        return require_positive("batch_size", batch_size)

    def _tag(
        self, sentences: Sequence[InContext], batch_size: int, progress: Progress | None, *, force_tokens: bool
    ) -> list[TaggedSentence]:
        results = [self._joined((), [TaskTags()] * len(self._heads))] * len(sentences)
        report = progress or _ignore
        report(sum(not sentence.tokens for sentence in sentences))
        most = self._shapes.most(batch_size)
        if can_pack(self.interface):
            most = even_size(sum(bool(sentence.tokens) for sentence in sentences), most)
        for numbers, outputs in self._outputs(sentences, [*batches(sentences, most)]):
            whole = self._shapes.whole([sentences[number] for number in numbers])
            tokens = [sentence.tokens for sentence in whole]
            tagged = self._read(tokens, outputs, force_tokens=force_tokens)[: len(numbers)]
            for number, result in zip(numbers, tagged, strict=True):
                results[number] = result
            report(len(numbers))
        return results

    def _outputs(
        self, sentences: Sequence[InContext], numbered: Sequence[list[int]]
    ) -> Iterator[tuple[list[int], list[NDArray[np.generic]]]]:
        """Yield the numbers of each batch with its outputs; while one runs, its neighbours are encoded and read."""
        if len(numbered) == 1:  # nothing to overlap with, and a thread takes as long to start as a short run
            yield numbered[0], self._run(self._feeds([sentences[number] for number in numbered[0]]))
            return
        running: tuple[list[int], Future[list[NDArray[np.generic]]]] | None = None
        with ThreadPoolExecutor(1) as pool:
            for numbers in numbered:
                feeds = self._feeds([sentences[number] for number in numbers])
                done = (running[0], running[1].result()) if running is not None else None
                running = numbers, pool.submit(self._run, feeds)
                if done is not None:
                    yield done
            if running is not None:
                yield running[0], running[1].result()

    def _feeds(self, batch: list[InContext]) -> dict[str, Encoded]:
        whole = self._shapes.whole(batch)
        feeds = encode(self._metadata.interface, whole)
        if self._shapes.shapes:
            return self._shapes.fitted(feeds, len(whole))
        return packed(self.interface, feeds) if len(batch) > 1 and can_pack(self.interface) else feeds

    def _run(self, feeds: Mapping[str, Encoded]) -> list[NDArray[np.generic]]:
        names = [name for head in self._heads for name in (head.task.prediction, head.task.scores)]
        return self._session.run(names, feeds)

    def _read(
        self, sentences: list[tuple[str, ...]], outputs: Sequence[NDArray[np.generic]], *, force_tokens: bool
    ) -> list[TaggedSentence]:
        read = [
            head.read(sentences, outputs[2 * place], outputs[2 * place + 1], force_tokens=force_tokens)
            for place, head in enumerate(self._heads)
        ]
        return [self._joined(tokens, tags) for tokens, *tags in zip(sentences, *read, strict=True)]

    def _joined(self, tokens: tuple[str, ...], tags: Sequence[TaskTags]) -> TaggedSentence:
        first, names = tags[0], [head.task.name for head in self._heads]
        further = tuple(zip(names[1:], tags[1:], strict=True))
        return TaggedSentence(tokens, first.labels, first.scores, first.spans, names[0], further)


def _ignore(_finished: int) -> None:
    """Stand in for a progress callback where the caller gave none."""
