"""The base of a proof's references: a comparison with a written model, and a record of what is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.core.values import Value
    from assembler.proof.accuracy import Accuracy
    from assembler.proof.budget import Losses
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.noise import Tolerance
    from assembler.proof.output_losses import OutputLosses


@dataclass(frozen=True, slots=True)
class Found:
    """The results of one comparison.

    Attributes:
        cases: Sentences, or sets of inputs.
        tokens: Their tokens; 0 without tags.
        classes: Their classes; 0 if sentences are not labelled.
        largest: The largest difference of a score or of any output.
        losses: The changes by a lossy profile, within its budget.
        outputs: The same of a stack that gives no tags.
        accuracy: Its accuracy on gold text, within its budget.
        tolerance: How far scores were allowed to differ, if not only by the spec's number or the usual one.
    """

    cases: int
    tokens: int
    classes: int
    largest: float
    losses: Losses | None = None
    outputs: OutputLosses | None = None
    accuracy: Accuracy | None = None
    tolerance: Tolerance | None = None


class Reference(Protocol):
    """Something that a model is compared with."""

    @property
    def against(self) -> str:
        """Its name: the model of a source, or `each part alone`."""

    def prove(self, path: Path, diagnose: Diagnosis) -> Found:
        """Compare a written model with it.

        Raises:
            ParityError: They differ (P001 for tags and scores, P002 for tensors).
            ModelError: The model cannot be run.
        """

    def record(self) -> Mapping[str, Value]:
        """Return its entry in the metadata, without figures that depend on the machine."""
