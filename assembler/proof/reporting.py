"""The report of a failed proof: the first part that diverges, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.spec.defaults import LARGEST_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.proof.stepwise_gaps import Gap


def divergence_lines(gaps: Sequence[Gap]) -> list[str]:
    """Return the lines on the first part that diverges."""
    if not gaps:
        return ["  no part diverges when the parts are compared one by one"]
    return [f"  the first part whose output diverges is '{gaps[0].tensor.partition('.')[0]}'", f"    {gaps[0]}"]


def failure_hint(changed: int, largest: float) -> str:
    """Return the hint of a failed proof: about changed tags, or about a tolerance that is too small."""
    if changed or not np.isfinite(largest):
        return "nothing was written; compare the spec with `assemble init` of the same source"
    if float(f"{largest * 1.1:.1e}") > LARGEST_TOLERANCE:
        return (
            f"nothing was written; no tolerance that a spec may give would have passed (at most {LARGEST_TOLERANCE}): "
            "does a part compute something else each time, or with very large numbers?"
        )
    return f"nothing was written; scores_within: {largest * 1.1:.1e} would have passed"
