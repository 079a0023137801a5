"""Compares what a model says in words: labels, lengths and spans, also of texts that are written carelessly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.encoding import encode
from assembler.runtime.interface import Text
from assembler.runtime.metadata import Metadata
from assembler.runtime.session import Session
from assembler.runtime.spans import Span, decode_spans
from assembler.runtime.text import NULL
from assembler.wiring.interface import fills

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from assembler.proof.parity import TaggedTokens
    from assembler.runtime.encoding import Encoded
    from assembler.runtime.interface import Interface
    from assembler.sources.weights import Array
    from assembler.wiring.graph import Wiring

#: The sentences of a run: an odd number.
_BATCH = 7
_MOST_LINES = 5
_SPAN = ("span_sentence", "span_start", "span_end", "span_label", "span_score")
#: What a model can say beside tags and scores.
_SAID = ("labels", "lengths", *_SPAN)


@dataclass(frozen=True, slots=True)
class Said:
    """What a comparison found.

    Attributes:
        wrong: One line for each of the first things that differ.
        largest: The largest difference of a span's score.
    """

    wrong: tuple[str, ...]
    largest: float


def expressible(wiring: Wiring, sentences: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return the sentences that the model's inputs can express: in a text, no token holds a space."""
    if any(fill.rule == "text" for fill in fills(wiring).values()):
        return [tokens for tokens in sentences if not any(" " in token for token in tokens)]
    return [*sentences]


def compare_text(path: Path, sentences: Sequence[Sequence[str]], tagged: Sequence[TaggedTokens], within: float) -> Said:
    """Compare labels, lengths and spans of a written model with those of its source.

    Args:
        path: The model. One that gives none of these is not run.
        sentences: The sentences of the proof.
        tagged: The source's labels and scores.
        within: The largest difference of a score that counts as equal.
    """
    session = Session.open(path)
    interface = Metadata.read(session.metadata, session.file).interface
    names = {gives: name for gives in _SAID if (name := interface.output(gives)) is not None}
    wrong: list[str] = []
    largest = 0.0
    if not names:
        return Said((), largest)
    for start in range(0, len(sentences), _BATCH):
        batch = [[token for token in tokens if token] for tokens in sentences[start : start + _BATCH]]
        labels = [each.labels for each in tagged[start : start + _BATCH]]
        scores = [each.scores for each in tagged[start : start + _BATCH]]
        for feeds, rows in _written(interface, batch):
            outputs = dict(zip(names, session.run(tuple(names.values()), feeds), strict=True))
            wrong += _word_differences(outputs, batch, labels, rows)
            spans = [decode_spans(*pair) for pair in zip(labels, scores, strict=True)]
            differences, gap = _span_differences(outputs, batch, spans, (rows, within))
            wrong += differences
            largest = max(largest, gap)
    return Said(tuple(wrong[:_MOST_LINES]), largest)


def _written(interface: Interface, batch: Sequence[Sequence[str]]) -> Iterator[tuple[Mapping[str, Encoded], list[int]]]:
    """Yield the inputs of a batch, and for each of its sentences its row there.

    A text is also written with spaces at its ends and two between tokens, with empty sentences around, which nothing
    of its own may come of.
    """
    feeds = encode(interface, batch)
    yield feeds, [*range(len(batch))]
    texts = [entry.name for entry in interface.inputs if isinstance(entry, Text)]
    if not texts or len(feeds) != len(texts):
        return
    loose = [[], *([f" {token} " for token in tokens] for tokens in batch), []]
    codes = [[ord(letter) or NULL for letter in " ".join(tokens)] for tokens in loose]
    rows = np.zeros((len(codes), max(map(len, codes)) + 3), np.int32)
    for row, text in zip(rows, codes, strict=True):
        row[: len(text)] = text
    yield dict.fromkeys(texts, rows), [*range(1, len(batch) + 1)]


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
) -> tuple[list[str], float]:
    """Return a line for each sentence with other spans, and the largest difference of a score."""
    rows, within = options
    if not set(_SPAN) <= set(outputs):
        return [], 0.0
    found: dict[int, list[Span]] = {}
    for row, start, end, label, score in zip(*(outputs[name].tolist() for name in _SPAN), strict=True):
        found.setdefault(row, []).append(Span(start, end, label, score))
    wrong, largest = [], 0.0
    for row, tokens, expected in zip(rows, batch, spans, strict=True):
        given = found.pop(row, [])
        places = [[(span.start, span.end, span.label) for span in side] for side in (given, expected)]
        gaps = [abs(one.score - other.score) for one, other in zip(given, expected, strict=False)]
        largest = max([largest, *gaps])
        if places[0] != places[1] or any(not gap <= within for gap in gaps):
            wrong.append(f"  {' '.join(tokens)!r}: the spans are {given}, expected {[*expected]}")
    wrong += [f"  sentence {row} has no tokens, but the spans {extra}" for row, extra in found.items()]
    return wrong, largest
