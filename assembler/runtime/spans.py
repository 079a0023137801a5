"""Spans from one tag per token, as flair reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OUTSIDE = frozenset({"", "O", "_", "O-"})
_STARTING = frozenset({"B-", "S-"})
_WEIGHT_OF_A_START = 1.1


@dataclass(frozen=True, slots=True)
class Span:
    """A run of tokens under one label.

    Attributes:
        start: Index of the first token.
        end: Index after the last token.
        label: What most of its tokens were tagged with.
        score: Mean of the scores of its tokens, in float64.
    """

    start: int
    end: int
    label: str
    score: float


def decode_spans(labels: Sequence[str], scores: Sequence[float]) -> tuple[Span, ...]:
    """Return the spans that flair 0.15.1 reads from BIO or BIOES tags (data.py, `get_spans_from_bio`).

    The reading is flair's, with what may surprise: `E-` and `S-` do not end a span, so `S-LOC I-LOC` is one; an `E-` of
    another class does not start one; and any other tag, such as `NOUN` or `<unk>`, is in a span with what follows its
    second character as its class.

    Args:
        labels: One tag per token.
        scores: One score per token.

    Returns:
        The spans in the order of their tokens. They never overlap.
    """
    return tuple(
        Span(start, end, _majority(labels[start:end], starts=starts), sum(scores[start:end]) / (end - start))
        for start, end, starts in _runs(labels)
    )


def _runs(labels: Sequence[str]) -> Iterator[tuple[int, int, bool]]:
    """Yield the start and end of each span, and whether its first tag asked for a new span."""
    first: int | None = None
    asked = False
    previous = ""
    for index, label in enumerate(labels):
        name = "" if label in _OUTSIDE else label[2:]
        starts = _starts(label, name, previous)
        if first is not None and (starts or label in _OUTSIDE):
            yield first, index, asked
            first = None
        if first is None and label not in _OUTSIDE:
            first, asked = index, starts
        previous = name
    if first is not None:
        yield first, len(labels), asked


def _starts(label: str, name: str, previous: str) -> bool:
    """Return whether a tag of class `name` starts a span where the token before, of class `previous`, may be in one."""
    if label in _OUTSIDE:
        return False
    # The class "S-" is no slip of this port: flair compares the class before where it meant the prefix before.
    return label[:2] in _STARTING or (name != previous and (label[:2] == "I-" or previous == "S-"))


def _majority(labels: Sequence[str], *, starts: bool) -> str:
    """Return the class of most tokens, of equal ones the first; a first token that asked for the span counts 1.1."""
    weights: dict[str, float] = {}
    for index, label in enumerate(labels):
        weight = _WEIGHT_OF_A_START if starts and index == 0 else 1.0
        weights[label[2:]] = weights.get(label[2:], 0.0) + weight
    return max(weights, key=weights.__getitem__)
