"""What a lossy profile may change, and whether a model keeps to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.profiles import PROFILES
from assembler.proof.parity import BATCH_SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from assembler.proof.parity import Comparison
    from assembler.runtime.sentence import TaggedSentence as Tagged
    from assembler.spec.model import Spec
    from assembler.spec.yaml_text import Value

#: The difference at which a lossy model, on another processor, still gives its own score of another.
_SAME_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class Found:
    """What a lossy model was found to change.

    Attributes:
        tags_changed: Tokens with another label than the source's, over all batch shapes.
        tokens: Tokens compared, over all batch shapes.
        allowed: The share of tags that may change.
        largest: The largest difference of a score.
        golden: What the model itself says of the sentences that it carries.
    """

    tags_changed: int
    tokens: int
    allowed: float
    largest: float
    golden: tuple[Tagged, ...]

    @property
    def share(self) -> float:
        """The share of tags that changed."""
        return self.tags_changed / max(self.tokens, 1)

    @property
    def kept(self) -> bool:
        """Whether that is within the budget.

        A budget above 0 is at least one token in each batch shape: a text of few tokens measures no smaller share.
        """
        least = len(BATCH_SIZES) if self.allowed else 0
        return self.tags_changed <= max(self.allowed * self.tokens, least)

    def __str__(self) -> str:
        """Return a sentence."""
        return (
            f"{self.tags_changed} of {self.tokens} tags differ ({self.share:.2%}), allowed are {self.allowed:.2%}; "
            f"the largest difference of a score is {self.largest:.3g}"
        )

    def record(self) -> Mapping[str, Value]:
        """Return what the `proof` record says of it."""
        return {
            "tags_changed": self.tags_changed,
            "tokens_compared": self.tokens,
            "tags_changed_allowed": self.allowed,
            "largest_difference": float(f"{self.largest:.3g}"),
            "scores_within": _SAME_SCORE,
            "golden": [
                {"tokens": list(each.tokens), "labels": list(each.labels), "scores": [round(s, 4) for s in each.scores]}
                for each in self.golden
            ],
        }


def budget(spec: Spec) -> float | None:
    """Return the share of tags that the spec's profile may change, or `None` for an exact one."""
    default = PROFILES[spec.profile].tags_changed
    return default if default is None or spec.proof.tags_changed is None else spec.proof.tags_changed


def found(spec: Spec, comparison: Comparison, golden: Callable[[], Iterable[Tagged]]) -> Found | None:
    """Return what a lossy profile has changed, or `None` for an exact one.

    Args:
        spec: The spec, with the profile.
        comparison: What the comparison found.
        golden: Tags the sentences that the model carries.
    """
    allowed = budget(spec)
    if allowed is None:
        return None
    return Found(comparison.tags_changed, comparison.compared, allowed, comparison.largest, tuple(golden()))
