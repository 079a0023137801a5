"""Compares a model's outputs in words: labels, lengths and spans, also for carelessly written texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.passes.profiles import PROFILES
from assembler.proof.batch_plan import planned, width
from assembler.proof.builtin_sample import evenly
from assembler.proof.noise import excused
from assembler.proof.reference import Found
from assembler.proof.reporting import divergence_lines, failure_hint
from assembler.proof.sentence_words import chosen_labels, own_labels, sentence_differences
from assembler.proof.task_results import Slots
from assembler.runtime.context import InContext
from assembler.runtime.fill.of_sentences import Text
from assembler.runtime.metadata import Metadata
from assembler.runtime.session import Session
from assembler.runtime.shapes import FixedShapes
from assembler.runtime.spans import Span, decode_classifier_spans, decode_spans
from assembler.runtime.text import NULL, separators
from assembler.runtime.token import without_empty
from assembler.weights.decisions import SentenceLabels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from assembler.core.arrays import Array
    from assembler.core.values import Value
    from assembler.description.source_tasks import SourceTask
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.parity import TaggedTokens
    from assembler.proof.tag_reference import TagReference
    from assembler.runtime.fill.rule import Encoded

_MOST_LINES = 5
#: How many of the sentences that a lossy model is measured on.
_SOME = 64
_SPAN = ("span_sentence", "span_start", "span_end", "span_label", "span_score")
#: The outputs that a model can have besides tags and scores.
_SAID = ("labels", "sentence_labels", "lengths", *_SPAN)
_OWN = ("prediction", "scores")
_OF_SENTENCES = ("sentence_scores", "probabilities")


@dataclass(frozen=True, slots=True, eq=False)
class TextReference:
    """The labels and spans of one loaded model, for comparison with a model's outputs in words.

    Attributes:
        task: The task as named in the model, with its outputs.
        tag: The loaded model's labels and scores.
    """

    task: SourceTask
    tag: TagReference

    @staticmethod
    def fits(task: SourceTask) -> bool:
        """Return whether the model says more of a task than classes and scores."""
        return any(gives in task.task.outputs for gives in _SAID)

    @property
    def against(self) -> str:
        """The name of the loaded model."""
        return self.tag.against

    def record(self) -> Mapping[str, Value]:
        """Return nothing: the tags have their own record."""
        return {}

    def prove(self, path: Path, diagnose: Diagnosis) -> Found:
        """Compare labels, lengths and spans.

        Raises:
            ParityError: They differ, or a span's score by more than is allowed (P001).
            ModelError: The model cannot be run (M010 to M015).
        """
        wrong, largest, scores_only = self._compared(path, self.tag.spec.proof.scores_within)
        if wrong and scores_only:
            tolerance = excused(self.tag.spec, diagnose, self.task.name, largest)
            wrong, largest, _ = self._compared(path, tolerance.within)
        if wrong:
            lines = [f"the model does not give the labels and spans of '{self.against}'", *wrong[:_MOST_LINES]]
            lines += divergence_lines(diagnose())
            raise ParityError(Problem.at(self.tag.spec.proof.mark, "P001", "\n".join(lines), failure_hint(1, largest)))
        return Found(len(self._read()), 0, 0, largest)

    def _compared(self, path: Path, within: float) -> tuple[list[str], float, bool]:
        """Return what differs, the largest difference of a span's score, and whether nothing else is wrong."""
        session = Session.open(path)
        shapes = FixedShapes.of(Metadata.read(session.metadata, session.file).interface, session)
        wrong: list[str] = []
        largest, scores_only = 0.0, True
        widths = [width(tokens) for tokens in self.tag.sentences]
        plan = planned(widths, self._read(), shapes.sentences)
        for places in (*plan.mixed, *plan.alike):
            batch = [without_empty(self.tag.sentences[place]) for place in places]
            tagged = [self.tag.tagged[place] for place in places]
            for feeds, rows in _written(shapes, batch):
                words, spans, gap = self._differences(session, feeds, batch, tagged, rows, within)
                wrong += [*words, *(line for line, _ in spans)]
                scores_only = scores_only and not words and all(placed for _, placed in spans)
                largest = max(largest, gap)
        return wrong, largest, scores_only

    def _read(self) -> Sequence[int]:
        """Return the places of the sentences that are read: of the many that a lossy model is measured on, some."""
        measured, every = self.tag.measured, range(len(self.tag.sentences))
        if measured is None:
            return every
        many = {*measured.elsewhere, *(place for places in measured.judged.values() for place in places)}
        return [*evenly(sorted(many), _SOME), *(place for place in every if place not in many)]

    def _differences(
        self,
        session: Session,
        feeds: Mapping[str, Encoded],
        batch: Sequence[Sequence[str]],
        tagged: Sequence[TaggedTokens],
        rows: Sequence[int],
        within: float,
    ) -> tuple[list[str], list[tuple[str, bool]], float]:
        names = {
            gives: name for gives, name in self.task.task.outputs.items() if gives in (*_SAID, *_OWN, *_OF_SENTENCES)
        }
        outputs = dict(zip(names, session.run(tuple(names.values()), feeds), strict=True))
        outputs = _of_rows(outputs, len(batch) + 2 * rows[0])  # the values after them pad a fixed size
        # a lossy model may have other tags, within a budget that is checked elsewhere; its words must match its own
        lossy, head = PROFILES[self.tag.spec.profile].lossy, self.task.head
        if isinstance(head, SentenceLabels):
            labels = (
                [own_labels(head, outputs, row) for row in rows]
                if lossy
                else [chosen_labels(head, each) for each in tagged]
            )
            return sentence_differences(outputs, batch, labels, (rows, within))
        if lossy:
            tagged = [
                self._slots_of_sentence(outputs, row, len(tokens)) for row, tokens in zip(rows, batch, strict=True)
            ]
        wrong = [*_word_differences(outputs, batch, [each.labels for each in tagged], rows)]
        spans = [spans_of(self.task, each) for each in tagged]
        differences, gap = _span_differences(outputs, batch, spans, (rows, within))
        return wrong, differences, gap

    def _slots_of_sentence(self, outputs: Mapping[str, Array], row: int, count: int) -> Slots:
        """Return the model's labels of a sentence from classes and scores."""
        labels = self.task.head.labels
        classes, scores = (outputs[name][row, :count].tolist() for name in _OWN)
        return Slots([labels[number] for number in classes], scores)


def spans_of(task: SourceTask, tagged: TaggedTokens) -> Sequence[Span]:
    """Return the spans that the task's own model reads from its tags."""
    if getattr(task.head, "reading", "") == "token_classifier":
        return decode_classifier_spans(tagged.labels)
    return decode_spans(tagged.labels, tagged.scores)


def _written(shapes: FixedShapes, batch: Sequence[Sequence[str]]) -> Iterator[tuple[Mapping[str, Encoded], list[int]]]:
    """Yield the inputs of a batch, and for each of its sentences its row there.

    A text is also written with more separators than it needs, with empty sentences around, which must have empty
    results.
    """
    whole = shapes.whole([InContext(tuple(tokens)) for tokens in batch])
    feeds = shapes.filled(whole)
    yield feeds, [*range(len(batch))]
    texts = {entry.name: entry for entry in shapes.interface.inputs if isinstance(entry, Text)}
    if not texts or len(feeds) != len(texts) or shapes.sizes:
        return
    spaced = any(entry.spaced for entry in texts.values())
    codes = [[], *(_loosely(tokens, spaced=spaced) for tokens in batch), []]
    rows = np.zeros((len(codes), max(map(len, codes)) + 3), np.int32)
    for row, text in zip(rows, codes, strict=True):
        row[: len(text)] = text
    yield dict.fromkeys(texts, rows), [*range(1, len(batch) + 1)]


def _loosely(tokens: Sequence[str], *, spaced: bool) -> list[int]:
    """Return the code points of a text with spaces at its ends, and with more separators between its tokens.

    Args:
        tokens: The tokens.
        spaced: Whether the spaces between tokens are read, so that only 0 can be added there.
    """
    between = [f"\0{each}\0" for each in separators(tokens)] if spaced else ["   "] * (len(tokens) - 1)
    codes = [32]
    for token, after in zip(tokens, [*between, " "], strict=True):
        codes += [ord(letter) or NULL for letter in token]
        codes += map(ord, after)
    return codes


def _of_rows(outputs: Mapping[str, Array], count: int) -> dict[str, Array]:
    """Return a model's results for the first sentences of a run."""
    spans = outputs["span_sentence"].astype(np.int64) < count if "span_sentence" in outputs else slice(None)
    return {name: array[spans] if name in _SPAN else array[:count] for name, array in outputs.items()}


def _word_differences(
    outputs: Mapping[str, Array], batch: Sequence[Sequence[str]], labels: Sequence[Sequence[str]], rows: Sequence[int]
) -> Iterator[str]:
    """Yield a line for each sentence with other labels or another length, and for words where there is no sentence."""
    for row in sorted({*range(len(next(iter(outputs.values())))), *rows}) if "labels" in outputs else ():
        here = rows.index(row) if row in rows else None
        expected = [] if here is None else list(labels[here])
        text = "an empty sentence" if here is None else repr(" ".join(batch[here]))
        given = outputs["labels"][row].tolist()
        if given != expected + [""] * (len(given) - len(expected)):
            yield f"  {text}: the labels are {given}, expected {expected}"
        if "lengths" in outputs and outputs["lengths"][row] != len(expected):
            yield f"  {text}: the length is {outputs['lengths'][row]}, expected {len(expected)}"


def _span_differences(
    outputs: Mapping[str, Array],
    batch: Sequence[Sequence[str]],
    spans: Sequence[Sequence[Span]],
    options: tuple[Sequence[int], float],
) -> tuple[list[tuple[str, bool]], float]:
    """Return a line for each sentence with other spans, whether its spans differ in scores alone; and by how much."""
    rows, within = options
    if not set(_SPAN) <= set(outputs):
        return [], 0.0
    found: dict[int, list[Span]] = {}
    for row, start, end, label, score in zip(*(outputs[name].tolist() for name in _SPAN), strict=True):
        found.setdefault(row, []).append(Span(start, end, label, score))
    wrong: list[tuple[str, bool]] = []
    largest = 0.0
    for row, tokens, expected in zip(rows, batch, spans, strict=True):
        given = found.pop(row, [])
        places = [[(span.start, span.end, span.label) for span in side] for side in (given, expected)]
        gaps = [abs(one.score - other.score) for one, other in zip(given, expected, strict=False)]
        largest = max([largest, *gaps])
        if places[0] != places[1] or any(not gap <= within for gap in gaps):
            line = f"  {' '.join(tokens)!r}: the spans are {given}, expected {[*expected]}"
            wrong.append((line, places[0] == places[1]))
    wrong += [(f"  sentence {row} has no tokens, but the spans {extra}", False) for row, extra in found.items()]
    return wrong, largest
