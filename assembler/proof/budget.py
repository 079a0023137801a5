"""What a lossy profile may change, and whether a model keeps to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.errors import SpecError
from assembler.problems import Problem
from assembler.profiles import PROFILES
from assembler.spec.schema import LARGEST_CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from assembler.proof.parity import Comparison
    from assembler.proof.proving import References
    from assembler.spec.model import Spec
    from assembler.spec.yaml_text import Value

#: The difference at which a lossy model, on another processor, still gives its own score of another.
_SAME_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class Losses:
    """What a lossy model was found to change.

    Attributes:
        tags_changed: Tokens with another label than the source's, over all batch shapes.
        tokens: Tokens compared, over all batch shapes.
        allowed: The share of tags that may change.
        one_anyway: Whether one token may change in each batch shape, however few there are.
        largest: The largest difference of a score.
        golden: The record of the task with the model's own tags of the sentences that it carries.
    """

    tags_changed: int
    tokens: int
    allowed: float
    one_anyway: bool
    largest: float
    golden: Mapping[str, Value]

    @property
    def share(self) -> float:
        """The share of tags that changed."""
        return self.tags_changed / max(self.tokens, 1)

    @property
    def kept(self) -> bool:
        """Whether that is within the budget, and every score a number."""
        within = self.tags_changed <= self.allowed * self.tokens or self.one_anyway
        return within and math.isfinite(self.largest)

    def __str__(self) -> str:
        """Return a sentence."""
        return (
            f"{self.tags_changed} of {self.tokens} tags differ ({self.share:.2%}), allowed are {self.allowed:.2%}; "
            f"the largest difference of a score is {self.largest:.3g}"
        )

    def record(self) -> dict[str, Value]:
        """Return what the `proof` record says of it."""
        return {
            **self.golden,
            "tags_changed": self.tags_changed,
            "tokens_compared": self.tokens,
            "tags_changed_allowed": self.allowed,
            "largest_difference": float(f"{self.largest:.3g}"),
        }


def losses_record(losses: Sequence[Losses]) -> dict[str, Value]:
    """Return the changes to the `proof` record of a lossy model."""
    first = losses[0].record()
    record: dict[str, Value] = {**first, "scores_within": _SAME_SCORE}
    del record["task"], record["against"]
    if len(losses) > 1:
        record["tasks"] = [each.record() for each in losses]
    return record


def measured_losses(spec: Spec, comparison: Comparison, golden: Callable[[], Mapping[str, Value]]) -> Losses | None:
    """Return what a lossy profile has changed, or `None` for an exact one.

    Args:
        spec: The spec, with the profile.
        comparison: What the comparison found.
        golden: Tags the sentences that the model carries.
    """
    default = PROFILES[spec.profile].tags_changed
    if default is None:
        return None
    allowed = default if spec.proof.tags_changed is None else spec.proof.tags_changed
    # the budget of the profile itself has to be met by the few sentences that are always there; one of the spec's own
    # is kept to the letter
    one_anyway = spec.proof.tags_changed is None and comparison.most_changed <= 1
    return Losses(comparison.tags_changed, comparison.compared, allowed, one_anyway, comparison.largest, golden())


def require_budget(spec: Spec, references: References) -> None:
    """Refuse a lossy profile for a model that gives more than tags and scores: no budget is stated for that.

    Raises:
        SpecError: It does (W030).
    """
    if PROFILES[spec.profile].tags_changed is None or references.parts is None:
        return
    message = f"the profile '{spec.profile}' is lossy, and measured by the tags that it changes; the model gives more"
    hint = "leave outputs other than scores and prediction out, or choose an exact profile"
    raise SpecError(Problem.at(spec.proof.mark, "W030", message, hint))


def budget_problem(spec: Spec, against: str, comparison: Comparison, losses: Losses) -> Problem:
    """Return what is said of a model that changes more than it may."""
    lines = [
        f"the profile '{spec.profile}' changes more tags of '{against}' than it may: {losses}",
        *(f"  {difference}" for difference in comparison.worst),
    ]
    enough = math.ceil(losses.share * 10_000) / 10_000
    hint = "nothing was written; choose an exact profile"
    if enough <= LARGEST_CHANGE:
        hint += f", or allow more with 'tags_changed' in the spec's proof: {enough:.4f} would pass"
    else:
        hint += f": no spec may allow more than {LARGEST_CHANGE:.0%}"
    return Problem.at(spec.proof.mark, "P001", "\n".join(lines), hint)
