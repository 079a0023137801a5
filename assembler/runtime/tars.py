"""Finds spans of labels that are named when it runs: a model reads each label beside the text (TARS).

TM is flair 0.15.1's models/tars_model.py.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.batching import read_sentences, windows
from assembler.runtime.context import InContext
from assembler.runtime.head import Head
from assembler.runtime.heads_reader import HeadsReader
from assembler.runtime.runner import BATCHES_IN_A_WINDOW, Runner, opened
from assembler.runtime.sentence import TaggedSentence
from assembler.runtime.spans import Span
from assembler.runtime.tokenization import split_at_spaces, tokenize
from assembler.runtime.wanted import LABELS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.interface.label_pairs import LabelPairs, LabelTask
    from assembler.runtime.interface import Interface
    from assembler.runtime.runner import Progress
    from assembler.runtime.sentence import TaskTags
    from assembler.runtime.session import Provider

_BATCH = 32


class Tars:
    """An assembled TARSTagger, from its model file alone. It holds no state of its runs."""

    __slots__ = ("_head", "_pairs", "_runner")

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
            ModelError: As for `Tagger`; M014 if it does not read labels beside texts.
            ValueError: If `threads` is below 1, or this ONNX Runtime lacks one of the providers.
        """
        session, metadata = opened(path, threads=threads, spin=spin, providers=providers, verify=verify)
        self._head = Head.all_of(metadata, session)[0]
        self._runner = Runner(session, metadata)
        pairs = metadata.interface.label_pairs
        if pairs is None:
            message = "the model has labels of its own, and reads none beside a text"
            raise ModelError(Problem("M014", message, "open it with assembler.runtime.Tagger", session.file))
        self._pairs: LabelPairs = pairs

    @property
    def tasks(self) -> tuple[LabelTask, ...]:
        """The lists of labels of the checkpoint."""
        return self._pairs.tasks

    @property
    def interface(self) -> Interface:
        """The model's inputs and outputs for a host."""
        return self._runner.interface

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the assembler wrote into the file, as for `Tagger`."""
        return self._runner.metadata.entries

    def tag(
        self,
        sentences: Iterable[Sequence[str]],
        labels: Iterable[str] | None = None,
        *,
        task: str | None = None,
        batch_size: int | None = None,
        tokenizer: str | None = None,
        progress: Progress | None = None,
    ) -> list[TaggedSentence]:
        """Find spans in sentences, as `TARSTagger.predict` and `predict_zero_shot` of flair do.

        Args:
            sentences: As for `Tagger.tag`.
            labels: The labels to look for, as for `predict_zero_shot`; by default those of a task.
            task: The name of a task of the checkpoint; by default its current one.
            batch_size: The most pairs of a label and a sentence in one run, by default 32.
            tokenizer: As for `Tagger.tag`.
            progress: Called with the number of sentences that have been finished since the call before.

        Returns:
            A result for each sentence. Spans do not overlap: the most probable comes first, and takes its tokens. Each
            token of a span has the span's score, and its label with `B-` or `I-`; the others have `O`, and 0.

        Raises:
            TypeError: As for `Tagger.tag`, and if a label is not a string.
            ValueError: As for `Tagger.tag`; if there is no label or no such task, or if both are named.
            ModelError: As for `Tagger.tag`.
        """
        found = self.stream(sentences, labels, task=task, batch_size=batch_size, tokenizer=tokenizer, progress=progress)
        return list(found)

    def stream(
        self,
        sentences: Iterable[Sequence[str]],
        labels: Iterable[str] | None = None,
        *,
        task: str | None = None,
        batch_size: int | None = None,
        window: int = BATCHES_IN_A_WINDOW,
        tokenizer: str | None = None,
        progress: Progress | None = None,
    ) -> Iterator[TaggedSentence]:
        """Find spans in any number of sentences with bounded memory, as `Tagger.stream` does.

        Raises:
            TypeError, ValueError, ModelError: As for `tag`.
        """
        asked = self._labels(labels, task)
        size = _BATCH if batch_size is None else batch_size
        if size < 1 or window < 1:
            message = f"expected a batch_size and a window of at least 1, got {size} and {window}"
            raise ValueError(message)
        tokens = read_sentences(sentences if tokenizer is None else tokenize(sentences, tokenizer))
        blocks = windows(tokens, -(-size * window // len(asked)))
        return (each for block in blocks for each in self._tagged(block, asked, size, progress))

    def _labels(self, labels: Iterable[str] | None, task: str | None) -> tuple[str, ...]:
        if labels is None:
            names = {each.name: each for each in self.tasks}
            if task is not None and task not in names:
                message = f"there is no task '{task}' in the model, which has {', '.join(names)}"
                raise ValueError(message)
            found = (self._pairs.current if task is None else names[task]).labels
        elif task is not None:
            message = "name labels or a task, not both"
            raise ValueError(message)
        else:
            given = [labels] if isinstance(labels, str) else [*labels]
            strange = next((each for each in given if not isinstance(each, str)), None)
            if strange is not None:
                message = f"labels: expected strings, got {type(strange).__name__}: {strange!r:.60}"
                raise TypeError(message)
            found = tuple(dict.fromkeys(map(_bare, (each for each in given if each not in {"<unk>", "O"}))))
        if not found:
            message = "labels: expected at least one"
            raise ValueError(message)
        return found

    def _tagged(
        self, block: Sequence[tuple[str, ...]], labels: Sequence[str], size: int, progress: Progress | None
    ) -> list[TaggedSentence]:
        filled = [tokens for tokens in block if tokens]
        texts = [" ".join(tokens) for tokens in filled]
        pairs = [InContext(split_at_spaces(self._pairs.text(label, text))) for text in texts for label in labels]
        reader: HeadsReader[TaskTags, TaskTags] = HeadsReader([self._head], LABELS, lambda _, found: found[0])
        results = iter(self._runner.run(pairs, reader, batch_size=size))
        found = [
            self._joined(tokens, {label: next(results).spans for label in labels} if tokens else {}) for tokens in block
        ]
        if progress is not None:
            progress(len(block))
        return found

    def _joined(self, tokens: tuple[str, ...], by_label: Mapping[str, Sequence[Span]]) -> TaggedSentence:
        """Return the spans that flair keeps: the most probable first, of equal ones the last found (TM 560-597)."""
        found = [(span.score, label, span) for label, spans in by_label.items() for span in spans]
        found.reverse()
        found.sort(key=itemgetter(0), reverse=True)
        taken: dict[int, tuple[str, float]] = {}
        kept = []
        for score, label, span in found:
            shift = self._pairs.shift(label)
            places = range(span.start - shift, span.end - shift)
            if any(place in taken or not 0 <= place < len(tokens) for place in places):
                continue
            kept.append(Span(places.start, places.stop, label, score))
            taken |= {place: (f"{'B' if place == places.start else 'I'}-{label}", score) for place in places}
        rows = [taken.get(place, ("O", 0.0)) for place in range(len(tokens))]
        spans = tuple(sorted(kept, key=lambda span: span.start))
        return TaggedSentence(tokens, tuple(r[0] for r in rows), tuple(r[1] for r in rows), spans, self._head.task.name)


def _bare(label: str) -> str:
    """Return a label without a prefix such as `B-` (TM 215-219)."""
    return label[2:] if label[1:2] == "-" else label
