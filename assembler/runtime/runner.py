"""Runs a model on sentences, whatever its tasks are: batches, lanes, fixed sizes, the caller's order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from assembler.runtime.batching import batches, even_size, read_sentences, require_positive, windows
from assembler.runtime.context import in_context
from assembler.runtime.metadata import Metadata
from assembler.runtime.packing import can_pack
from assembler.runtime.session import Session
from assembler.runtime.shapes import FixedShapes
from assembler.runtime.tokenization import tokenize

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from assembler.runtime.context import InContext, Readable
    from assembler.runtime.fill.rule import Encoded
    from assembler.runtime.interface import Interface
    from assembler.runtime.session import Provider

    Outputs = list[NDArray[np.generic]]
    Progress = Callable[[int], None]

Result = TypeVar("Result")
Read_co = TypeVar("Read_co", covariant=True)

BATCHES_IN_A_WINDOW = 32
_BATCH, _PACKED_BATCH = 32, 128


class Reader(Protocol[Read_co]):
    """Makes results from a model's outputs."""

    @property
    def outputs(self) -> Sequence[str]:
        """The outputs that are read."""

    @property
    def nothing(self) -> Read_co:
        """The result of a sentence without tokens."""

    def read(self, sentences: Sequence[tuple[str, ...]], outputs: Sequence[NDArray[np.generic]]) -> Sequence[Read_co]:
        """Return a result for each sentence of a batch.

        Args:
            sentences: The tokens of each.
            outputs: The outputs of the run, in the order of `outputs`.
        """


def opened(
    path: str | os.PathLike[str], *, threads: int | None, spin: bool, providers: Sequence[Provider] | None, verify: bool
) -> tuple[Session, Metadata]:
    """Load a model; arguments and errors are those of `Tagger`."""
    session = Session.open(path, threads=threads, spin=spin, providers=providers, verify=verify)
    metadata = Metadata.read(session.metadata, session.file)
    metadata.interface.require_libraries(session.file)
    return session, metadata


class Runner:
    """A loaded model that computes results for sentences. It holds no state of its runs."""

    __slots__ = ("_packs", "_shapes", "metadata", "session")

    def __init__(self, session: Session, metadata: Metadata) -> None:
        """Take a loaded model whose ports fit its metadata.

        Raises:
            ModelError: M014 for inputs of fixed sizes that no run could fill.
        """
        self.session, self.metadata = session, metadata
        self._shapes = FixedShapes.of(metadata.interface, session)
        self._packs = not self._shapes.sizes and can_pack(metadata.interface)

    @property
    def interface(self) -> Interface:
        """The model's inputs and outputs for a host."""
        return self.metadata.interface

    def placed(self, sentences: Iterable[Sequence[str]], tokenizer: str | None) -> Iterator[InContext]:
        """Return sentences with their neighbours, as far as the model reads them.

        Args:
            sentences: Lists of tokens, or texts for the tokeniser.
            tokenizer: One of `tokenization.TOKENIZERS`, or `None`.

        Raises:
            TypeError: At once if the sentences are not a list; when it is read if one of them is neither.
            ValueError: If there is no such tokeniser, at once.
        """
        tokens = sentences if tokenizer is None else tokenize(sentences, tokenizer)
        return in_context(read_sentences(tokens), self.interface.context, self.interface.prompt)

    def run(
        self,
        sentences: Sequence[Readable],
        reader: Reader[Result],
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> list[Result]:
        """Return a result for each sentence, or for each example of several, in their order.

        Raises:
            ValueError: If `batch_size` is below 1.
            ModelError: M015 if the run fails in ONNX Runtime, M019 for a sentence that is too long for the model, and
                the errors of `reader`.
        """
        results = [reader.nothing] * len(sentences)
        report = progress or _ignore
        report(sum(not sentence.sentences for sentence in sentences))
        most = self._shapes.most(self._size(batch_size))
        if self._packs:
            most = even_size(sum(bool(sentence.sentences) for sentence in sentences), most)
        for numbers, outputs in self._outputs(sentences, [*batches(sentences, most)], reader.outputs):
            whole = self._shapes.whole(_flat([sentences[number] for number in numbers]))
            read = reader.read([*self._labelled(whole)], outputs)
            for number, result in zip(numbers, read[: len(numbers)], strict=True):
                results[number] = result
            report(len(numbers))
        return results

    def stream(
        self,
        sentences: Iterable[Readable],
        reader: Reader[Result],
        *,
        batch_size: int | None,
        window: int,
        progress: Progress | None,
    ) -> Iterator[Result]:
        """Return results one by one, and read no more than a window of sentences ahead.

        Raises:
            ValueError: If `batch_size` or `window` is below 1, at once.
            ModelError: As for `run`.
        """
        size = self._size(batch_size) * require_positive("window", window)
        blocks = (self.run(b, reader, batch_size=batch_size, progress=progress) for b in windows(sentences, size))
        return (result for block in blocks for result in block)

    def _labelled(self, whole: Sequence[InContext]) -> Iterator[tuple[str, ...]]:
        """Yield the tokens of what each row of the outputs is about: a sentence, or some sentences together."""
        size = self.interface.at_once
        for start in range(0, len(whole), size):
            yield tuple(token for sentence in whole[start : start + size] for token in sentence.tokens)

    def _size(self, batch_size: int | None) -> int:
        if batch_size is None:
            return _PACKED_BATCH if self._packs else _BATCH
        return require_positive("batch_size", batch_size)

    def _outputs(
        self, sentences: Sequence[Readable], numbered: Sequence[list[int]], names: Sequence[str]
    ) -> Iterator[tuple[list[int], Outputs]]:
        """Yield the numbers of each batch with its outputs; while one runs, its neighbours are encoded and read."""
        if len(numbered) == 1:  # nothing overlaps, and starting a thread takes as long as a short run
            yield numbered[0], self.session.run(names, self._feeds([sentences[number] for number in numbered[0]]))
            return
        running: tuple[list[int], Future[Outputs]] | None = None
        with ThreadPoolExecutor(1) as pool:
            for numbers in numbered:
                feeds = self._feeds([sentences[number] for number in numbers])
                done = (running[0], running[1].result()) if running is not None else None
                running = numbers, pool.submit(self.session.run, names, feeds)
                if done is not None:
                    yield done
            if running is not None:
                yield running[0], running[1].result()

    def _feeds(self, batch: list[Readable]) -> Mapping[str, Encoded]:
        sentences = _flat(batch)
        return self._shapes.filled(self._shapes.whole(sentences), lanes=len(sentences) > 1 and self._packs)


def _flat(batch: Sequence[Readable]) -> list[InContext]:
    return [sentence for each in batch for sentence in each.sentences]


def _ignore(_finished: int) -> None:
    """The progress callback if the caller passed none."""
