"""A sentence with its tags."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.runtime.spans import Span


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """What a tagger says about one sentence.

    Attributes:
        tokens: The tokens that were tagged: those of the caller without the empty ones, which flair drops.
        labels: One label per token, `O` included.
        scores: One score per token: the float32 that the model gave.
        spans: The spans in order; empty where the tags are no spans, or where token labels were asked for.
    """

    tokens: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    spans: tuple[Span, ...] = ()

    def as_dict(self) -> dict[str, list[str] | list[float] | list[dict[str, int | float | str]]]:
        """Return the sentence as values that `json.dumps` takes, with the names of the attributes as keys."""
        return {
            "tokens": list(self.tokens),
            "labels": list(self.labels),
            "scores": list(self.scores),
            "spans": [asdict(span) for span in self.spans],
        }
