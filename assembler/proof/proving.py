"""The proof: a written model is compared with the results of its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.onnx_model.sessions import open_session
from assembler.passes.profiles import PROFILES
from assembler.proof.coverage import Coverage, missing, require_coverage
from assembler.proof.dims import check_dims
from assembler.proof.noise import Tolerance
from assembler.proof.samples import REPEATED

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.proof.accuracy import Accuracy
    from assembler.proof.budget import Losses
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.output_losses import OutputLosses
    from assembler.proof.source_results import References


@dataclass(frozen=True, slots=True)
class Proven:
    """The results of a proof that succeeded.

    Attributes:
        against: The reference: the names of the models, or `each part alone`.
        cases: Sentences, or sets of inputs.
        tokens: Their tokens; 0 for stacks without tags.
        classes: Their classes; 0 for stacks that label no sentences.
        largest: The largest difference of a score or of any output.
        tolerance: How far scores, or other outputs, were allowed to differ.
        left_out: Sentences that were left out because one of their words was cut from a table.
        coverage: What was covered.
        less_than: The figures below the usual floor, because the spec requires less: `30 tokens (12)`.
        notes: Further lines of the report.
        losses: The changes by a lossy profile, within its budget, for each task.
        outputs: The same of a stack that gives no tags.
        accuracy: The accuracy of a lossy profile on gold text, within its budget; `None` without any.
        evaluator_differs: Whether onnx's reference evaluator computes something else with a stranger's operators.
    """

    against: str
    cases: int
    tokens: int
    classes: int
    largest: float
    tolerance: Tolerance
    left_out: int
    coverage: Coverage
    less_than: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    losses: tuple[Losses, ...] = ()
    outputs: OutputLosses | None = None
    accuracy: Accuracy | None = None
    evaluator_differs: bool = False


def prove(path: Path, references: References, diagnose: Diagnosis) -> Proven:
    """Compare a written model with its references.

    Args:
        path: The model.
        references: The results that it must reproduce.
        diagnose: Finds the parts that diverge; only called when a comparison fails.

    Raises:
        ParityError: They differ (P001 for tags and scores, P002 for tensors), and the report names the first part whose
            output diverges; a run contradicts a declared dim (P006); the comparison covers too little to be called a
            proof (P005); onnx's reference evaluator computes something else (P008); or a decoder does, alone (P010).
        ModelError: The model cannot be run (M006, M007, M010 to M015).
    """
    spec, parts = references.spec, references.parts
    cases = None if parts is None else [(name, inputs) for name, inputs, _ in parts.tensors]
    found = [reference.prove(path, diagnose) for reference in references.all()]
    if references.decoders is not None:
        references.decoders.prove(path)
    tagged = found[: len(references.tags)] or found
    usual = Tolerance(spec.proof.scores_within)
    session = open_session(path, "the assembled model")
    check_dims(session, spec, references.sentences, cases)
    require_coverage(spec, references.against, references.coverage)
    _, less = missing(spec, references.coverage)
    said, differs = ("", False) if references.evaluated is None else references.evaluated.prove(session)
    engines = (said,) if said else ()
    repeated = (REPEATED,) if references.tags and not PROFILES[spec.profile].lossy else ()
    by_parts = () if parts is None else parts.notes
    notes = (*repeated, *by_parts, *(() if parts is None or references.tags or parts.shows is None else (parts.shows,)))
    return Proven(
        references.against,
        max(each.cases for each in tagged),
        sum(each.tokens for each in tagged),
        sum(each.classes for each in tagged),
        max(each.largest for each in found),
        max((each.tolerance for each in found if each.tolerance), key=lambda each: each.within, default=usual),
        references.left_out,
        references.coverage,
        tuple(less),
        (*engines, *notes),
        tuple(each.losses for each in found if each.losses is not None),
        next((each.outputs for each in found if each.outputs is not None), None),
        next((each.accuracy for each in found if each.accuracy is not None), None),
        differs,
    )
