"""The entry of a proof in the metadata. Until the proof has passed, it says that the model is a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.description.model_metadata import PROOF, as_json
from assembler.passes.profiles import PROFILES
from assembler.proof.budget import losses_record
from assembler.proof.coverage import missing
from assembler.proof.noise import AT_MOST

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.proof.proving import Proven
    from assembler.proof.source_results import References

_PASSED: dict[str, Value] = {"status": "passed"}
_SKIPPED: dict[str, Value] = {"status": "skipped", "reason": "--no-proof"}
_DRAFT: dict[str, Value] = {"status": "draft", "reason": "a draft"}


def draft_entry(references: References | None) -> dict[str, str]:
    """Return the entry of a model that is not proven yet.

    It has as many bytes as the entry that replaces it (except for the measured changes of a lossy profile), so that
    nothing else in the file has to move.
    """
    awaited = _SKIPPED if references is None else {**_claims(references), **_PASSED}
    text = as_json(_DRAFT)
    return {PROOF: text + " " * (len(as_json(awaited).encode()) - len(text))}


def proof_entry(references: References | None, proven: Proven | None) -> dict[str, str]:
    """Return the entry of a model whose proof has passed, or was not requested."""
    if references is None or proven is None:
        return {PROOF: as_json(_SKIPPED)}
    claims = _claims(references)
    if proven.evaluator_differs and references.evaluated is not None:
        claims["engines"] = [{**references.evaluated.record(), "status": "failed"}]  # as long as "passed"
    return {PROOF: as_json({**claims, **_PASSED, **_measured_changes(proven)})}


def _measured_changes(proven: Proven) -> dict[str, Value]:
    """Return the measured changes of a lossy profile."""
    if proven.outputs is not None:
        return proven.outputs.record()
    if not proven.losses:
        return {}
    return {**losses_record(proven.losses), **({} if proven.accuracy is None else proven.accuracy.record())}


def _claims(references: References) -> dict[str, Value]:
    """Return what is compared, and how.

    Figures that depend on the machine are left out, so that the same spec and sources produce the same bytes. (The
    rounding of `int8` depends on states that the machine computes, so only the same machine produces the same bytes.)
    """
    tags, parts = references.tags, references.parts
    spec = references.spec
    _, less = missing(spec, references.coverage)
    # the noise of a source depends on the machine, but the noise that is tolerated does not
    noise: dict[str, Value] = {"scores_within_by_noise": AT_MOST} if tags and not spec.proof.tolerance_set else {}
    left_out: dict[str, Value] = {"left_out": references.left_out} if references.left_out else {}
    lossy = PROFILES[spec.profile].lossy and not tags  # its outputs are equal within nothing: they are measured
    record: dict[str, Value] = {
        **left_out,
        "against": references.against,
        "batch_sizes": list(references.coverage.batch_sizes),
        "cases": len(references.sentences) if tags else len(parts.tensors if parts else ()),
        **({} if lossy else {"scores_within": spec.proof.scores_within}),
        **noise,
        "golden": tags[0].record()["golden"] if tags else [],
        "covered": references.coverage.record(),
    }
    if less:
        record["less_than"] = list(less)
    if references.evaluated is not None:
        record["engines"] = [references.evaluated.record()]
    if len(tags) > 1:
        record["tasks"] = [dict(tag.record()) for tag in tags]
    return record
