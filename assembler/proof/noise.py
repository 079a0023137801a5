"""How far a source's scores differ between its own runs, and the tolerance that follows.

A sum of float32 depends on its order, and the order depends on the batch, the number of threads and the kernels. A
large language model carries the last bits from character to character. A model cannot match a source more closely than
the source matches itself.

The decoder of a CRF adds up a whole sentence, token by token, and takes its scores from the sums. A sum of 525, which a
trained tagger (en-ner-small) reaches at 59 tokens, moves in steps of 6e-5, and one step can be 1e-5 of a score.
Batches, threads and kernels do not change the order of this sum: runs of float32 show its rounding only where another
last bit of an emission happens to move it. A run whose CRF adds in float64 shows its rounding.

The rest of the model stays in float32 there. Its noise is in the runs above, and not every model runs in float64: flair
makes some tensors float32 whatever the model is (the mask with which it averages the pieces of a token), and fails.
The CRF alone needs no change of the loaded model, and has the cause: its scores move by 3.92e-6, of 3.94e-6 with all
of that tagger in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.proof.task_results import source_results
from assembler.proof.tolerances import shown
from assembler.weights.decisions import TokenLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.forms.opened import SourceModel
    from assembler.interface.examples import Example
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.parity import TaggedTokens
    from assembler.spec.stack_spec import Spec
    from assembler.weights.decisions import Decisions

#: A score may differ by so many times the noise. Between two runs of torch only some sums change their order; between
#: torch and ONNX Runtime all of them do. Five builds of a released tagger (pos-english-fast), each on 64 sentences of
#: web text and the package's own, had gaps of 7.5e-6 to 1.4e-5; above 1e-5 were two, with noises of 1.1e-5 and 1.5e-5.
#: The gaps of 16 random taggers with a CRF, each on one sentence of 59 tokens and one of 500, were 0.05 to 1.6 times
#: the noise of that sentence (`cpu`).
TIMES = 4
#: The most that noise excuses: scores are shown with four digits, and only the last one may differ.
AT_MOST = 1e-4
#: The batches in which the source runs in addition to its usual one.
_BATCHES = (1, 32)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far scores may differ.

    Attributes:
        within: The largest difference that counts as equal.
        noise: The source's own noise, if it was measured; `None` if that was not needed or the spec sets a tolerance.
        types: The element types that were compared, each of which may differ by a share of its values too; empty where
            only scores were.
    """

    within: float
    noise: float | None = None
    types: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return the tolerance, and where it comes from."""
        if self.types:
            return shown(self.within, self.types)
        if self.noise is None:
            return f"{self.within:.0e}"
        of = f"{TIMES} times the source's own noise of {self.noise:.1e}"
        return f"{self.within:.1e}: {of}, and no more than {AT_MOST:.0e}"


def tolerance_of(spec: Spec, noise: float) -> Tolerance:
    """Return the tolerance of a source with a noise; never less than the usual one, never more than `AT_MOST`."""
    return Tolerance(max(spec.proof.scores_within, min(AT_MOST, TIMES * noise)), noise)


def measured_noise(model: SourceModel, decisions: Decisions, examples: Sequence[Example]) -> float:
    """Return the largest difference between the source's scores in its runs of the same examples.

    It runs in its usual batch, one by one and in flair's own 32; and as it can round otherwise, such as with one thread
    and with two, and without the kernels of oneDNN. The usual run is compared with the others. A tagger runs once more
    with the sums of its CRF in float64, and every run is compared with that one.

    Args:
        model: The loaded model.
        decisions: What it decides on.
        examples: What it labels in the proof.
    """
    usual = source_results(model, decisions, examples)
    others = [source_results(model, decisions, examples, batch_size=size) for size in _BATCHES]
    for block in model.unsteady():
        with block:
            others.append(source_results(model, decisions, examples))
    gaps = [_largest(usual, run) for run in others]
    if isinstance(decisions, TokenLabels):
        exact = source_results(model, decisions, examples, exact_sums=True)
        gaps += [_largest(exact, run) for run in (usual, *others)]
    return max(gaps)


def _largest(one: Sequence[TaggedTokens], other: Sequence[TaggedTokens]) -> float:
    """Return the largest difference between the scores of two runs of the same sentences."""
    return max(
        abs(a - b)
        for first, second in zip(one, other, strict=True)
        for a, b in zip(first.scores, second.scores, strict=True)
    )


def excused(spec: Spec, diagnose: Diagnosis, task: str, largest: float) -> Tolerance:
    """Return the tolerance of a comparison whose only fault is a difference of scores.

    A number in the spec is applied exactly. For differences beyond the most that noise may excuse, nothing is measured.
    """
    if spec.proof.tolerance_set or not largest <= AT_MOST:
        return Tolerance(spec.proof.scores_within)
    return tolerance_of(spec, diagnose.noise(task))
