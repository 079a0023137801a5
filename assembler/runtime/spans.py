"""Spans from one tag per token, as flair reads them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OUTSIDE = frozenset({"", "O", "_", "O-"})
_STARTING = frozenset({"B-", "S-"})


@dataclass(frozen=True, slots=True)
class Span:
    """A run of tokens under one label.

    Attributes:
        start: Index of the first token.
        end: Index after the last token.
        label: The label of most of its tokens.
        score: Mean of the scores of its tokens, in float64.
    """

    start: int
    end: int
    label: str
    score: float


def decode_spans(labels: Sequence[str], scores: Sequence[float]) -> tuple[Span, ...]:
    """Return the spans that flair 0.15.1 reads from BIO or BIOES tags (data.py, `get_spans_from_bio`).

    The rule is flair's, with its surprises. `E-` and `S-` do not end a span, so `S-LOC I-LOC` is one. An `E-` of
    another class does not start one. Any other tag, such as `NOUN` or `<unk>`, is in a span whose class is the text
    after its second character.

    Args:
        labels: One tag per token.
        scores: One score per token.

    Returns:
        The spans in the order of their tokens. They never overlap.
    """
    return tuple(
        Span(start, end, _majority(labels[start:end]), sum(scores[start:end]) / (end - start))
        for start, end in _runs(labels)
    )


def decode_classifier_spans(labels: Sequence[str]) -> tuple[Span, ...]:
    """Return the spans that a flair 0.15.1 TokenClassifier reads from BIO or BIOES tags (word_tagger_model.py 124-165).

    They begin and end where those of `decode_spans` do. The label is that of the last token, and the score is 1: flair
    uses neither the majority nor the scores of its tokens.

    Args:
        labels: One tag per token.
    """
    return tuple(Span(start, end, labels[end - 1][2:], 1.0) for start, end in _runs(labels))


def _runs(labels: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each span."""
    first: int | None = None
    previous = ""
    for index, label in enumerate(labels):
        name = "" if label in _OUTSIDE else label[2:]
        if first is not None and (label in _OUTSIDE or _starts(label, name, previous)):
            yield first, index
            first = None
        if first is None and label not in _OUTSIDE:
            first = index
        previous = name
    if first is not None:
        yield first, len(labels)


def _starts(label: str, name: str, previous: str) -> bool:
    """Return whether a tag of class `name` starts a span if the token before, of class `previous`, is in one."""
    # The class "S-" is copied on purpose: flair compares the previous class where it meant the previous prefix.
    return label[:2] in _STARTING or (name != previous and (label[:2] == "I-" or previous == "S-"))


def _majority(labels: Sequence[str]) -> str:
    """Return the class of most tokens, of equal ones the first."""
    # flair counts 1.1 for a token that starts the span. It can only be the first one, which wins ties as it is.
    ((name, _count),) = Counter(label[2:] for label in labels).most_common(1)
    return name
