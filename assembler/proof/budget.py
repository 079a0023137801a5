"""The budget of a lossy profile, and whether a model keeps to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ParityError, SpecError
from assembler.core.problems import Problem
from assembler.passes.profiles import PROFILES
from assembler.proof.interval import fewest, interval
from assembler.proof.measured_text import OWN
from assembler.spec.defaults import LARGEST_CHANGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.core.values import Value
    from assembler.proof.parity import Difference
    from assembler.proof.source_results import References
    from assembler.spec.stack_spec import Spec

#: How far a score of a lossy model may differ on another processor.
_SAME_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class Count:
    """The number of tags that differ from the source's, and the number of all tags."""

    changed: int
    counted: int

    @property
    def share(self) -> float:
        """The share of tags that changed."""
        return self.changed / max(self.counted, 1)

    def __str__(self) -> str:
        """Return the figures, with the interval of 95 %."""
        least, most = interval(self.changed, self.counted)
        return (
            f"{self.changed:,} of {self.counted:,} tags differ ({self.share:.2%}, "
            f"95% interval {least:.2%} to {most:.2%})"
        )

    def record(self) -> dict[str, Value]:
        """Return the figures for the `proof` record."""
        least, most = (round(end, 6) for end in interval(self.changed, self.counted))
        return {"tags_changed": self.changed, "tokens_compared": self.counted, "interval": [least, most]}


@dataclass(frozen=True, slots=True)
class Losses:
    """The changes that were measured for a lossy model.

    The measured share must keep to the budget. Its interval says what to expect of other text of the kind, and may
    reach above the budget. A text that is too short to show the budget for any model decides nothing.

    Attributes:
        count: The tokens of the text to which the budget applies, each counted once.
        measured_on: What that text is.
        allowed: The share of tags that may change.
        largest: The largest difference of a score, on any text.
        golden: The record of the task with the model's own tags of the sentences that it carries.
        elsewhere: The same for languages about which the source is less sure, which decides nothing.
    """

    count: Count
    measured_on: tuple[str, ...]
    allowed: float
    largest: float
    golden: Mapping[str, Value]
    elsewhere: Count = Count(0, 0)

    @property
    def tags_changed(self) -> int:
        """The tokens with another label than the source's."""
        return self.count.changed

    @property
    def kept(self) -> bool:
        """Whether the share is within the budget, and no score is NaN."""
        return self.count.changed <= self.allowed * self.count.counted and math.isfinite(self.largest)

    @property
    def enough(self) -> bool:
        """Whether the text is long enough to show that the budget is kept."""
        return self.count.counted >= fewest(self.allowed)

    @property
    def summary(self) -> str:
        """The figures, in one sentence."""
        return f"{self.count}, allowed are {self.allowed:.2%}; the largest difference of a score is {self.largest:.3g}"

    def __str__(self) -> str:
        """Return the figures, and the text on which they were counted."""
        lines = [
            self.summary,
            f"measured on {', '.join(self.measured_on)}; each fourth sentence alone, the others in batches",
        ]
        if self.elsewhere.counted:
            lines.append(f"on languages of which the source is less sure: {self.elsewhere}")
        return "\n  ".join(lines)

    def record(self) -> dict[str, Value]:
        """Return its entry in the `proof` record."""
        return {**self.golden, **self.figures()}

    def figures(self) -> dict[str, Value]:
        """Return the record without the sentences that the model carries."""
        elsewhere: dict[str, Value] = {"elsewhere": self.elsewhere.record()} if self.elsewhere.counted else {}
        return {
            **self.count.record(),
            **elsewhere,
            "measured_on": list(self.measured_on),
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


def require_budget(spec: Spec, references: References) -> None:
    """Refuse a lossy profile for a model that outputs more than tags, because the passes are measured by tags alone.

    Raises:
        SpecError: The model outputs more (W030).
    """
    if not PROFILES[spec.profile].lossy or references.parts is None or not references.tags:
        return
    message = f"the profile '{spec.profile}' is measured by the tags that it changes, but the model outputs more"
    hint = "leave out outputs other than scores and prediction, or choose an exact profile"
    raise SpecError(Problem.at(spec.proof.mark, "W030", message, hint))


def require_kept(spec: Spec, against: str, losses: Losses, worst: Sequence[Difference]) -> None:
    """Refuse a model that changes more than it may, or that was measured on too little text to say.

    Raises:
        ParityError: It changes more (P001); the text is too short (P009).
    """
    if not losses.kept:
        raise ParityError(_budget_problem(spec, against, losses, worst))
    if not losses.enough:
        message = (
            f"the profile '{spec.profile}' may change {losses.allowed:.2%} of the tags of '{against}', and "
            f"{losses.count.counted:,} tokens are too few to show that it does not change more: {losses.count}"
        )
        hint = (
            f"nothing was written; name a file of at least {fewest(losses.allowed):,} tokens under 'sentences' in "
            "the spec's proof, allow more with 'tags_changed', or choose an exact profile"
        )
        raise ParityError(Problem.at(spec.proof.mark, "P009", message, hint))


def _budget_problem(spec: Spec, against: str, losses: Losses, worst: Sequence[Difference]) -> Problem:
    lines = [
        f"the profile '{spec.profile}' changes more tags of '{against}' than it may: {losses}",
        *(f"  {difference}" for difference in worst),
    ]
    enough = math.ceil(losses.count.share * 10_000) / 10_000
    hint = "nothing was written; choose an exact profile"
    if enough <= LARGEST_CHANGE:
        hint += f", or allow more with 'tags_changed' in the spec's proof: {enough:.4f} would pass"
    else:
        hint += f": no spec may allow more than {LARGEST_CHANGE:.0%}"
    if losses.measured_on != (OWN,):
        hint += "; if the tagger is made for other text, name such text under 'sentences' there"
    return Problem.at(spec.proof.mark, "P001", "\n".join(lines), hint)
