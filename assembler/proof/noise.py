"""How far a source's scores differ from themselves, and the tolerance that follows.

A sum of float32 depends on its order, and that on the batch, the number of threads and the kernels. A large language
model carries the last bits from character to character. What a source does not keep to itself, no model can keep to.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.proof.task_results import source_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.flair_checkpoints.source import FlairSource
    from assembler.proof.diagnosis import Diagnosis
    from assembler.spec.model import Spec

#: How many times the noise a score may differ. Between two runs of torch only some sums change their order; between
#: torch and ONNX Runtime all of them do. Five builds of a released tagger (pos-english-fast), each on 64 sentences of
#: web text and the package's own, had gaps of 7.5e-6 to 1.4e-5; above 1e-5 were two, with noises of 1.1e-5 and 1.5e-5.
TIMES = 4
#: What noise excuses at most: scores are shown with four digits, and the last one is as far as that may go.
AT_MOST = 1e-4
#: The batches in which the source runs, beside its usual one.
_BATCHES = (1, 32)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far scores may differ.

    Attributes:
        within: The largest difference that counts as equal.
        noise: The source's own, where it was measured; `None` where that was not needed or the spec says a number.
    """

    within: float
    noise: float | None = None

    def __str__(self) -> str:
        """Return the number, and where it comes from."""
        if self.noise is None:
            return f"{self.within:.0e}"
        of = f"{TIMES} times the source's own noise of {self.noise:.1e}"
        return f"{self.within:.1e}: {of}, and no more than {AT_MOST:.0e}"


def tolerance_of(spec: Spec, noise: float) -> Tolerance:
    """Return the tolerance of a source with a noise; never less than the usual one, never more than `AT_MOST`."""
    return Tolerance(max(spec.proof.scores_within, min(AT_MOST, TIMES * noise)), noise)


def measured_noise(model: FlairSource, sentences: Sequence[Sequence[str]], *, by_sentence: bool) -> float:
    """Return the largest difference between the source's scores in its runs of the same sentences.

    It runs in its usual batch, one by one and in flair's own 32; with one thread and with two; and without the kernels
    of oneDNN.

    Args:
        model: The loaded model.
        sentences: The sentences of the proof.
        by_sentence: Whether it labels sentences.
    """
    import torch

    usual = source_results(model, sentences, by_sentence=by_sentence)
    others = [source_results(model, sentences, by_sentence=by_sentence, batch_size=size) for size in _BATCHES]
    with kernels_off():
        others.append(source_results(model, sentences, by_sentence=by_sentence))
    with _threads(2 if torch.get_num_threads() == 1 else 1):
        others.append(source_results(model, sentences, by_sentence=by_sentence))
    return max(
        abs(one - other)
        for run in others
        for first, second in zip(usual, run, strict=True)
        for one, other in zip(first.scores, second.scores, strict=True)
    )


@contextmanager
def kernels_off() -> Iterator[None]:
    """Let torch do without the kernels of oneDNN in the block."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to set them warns of a GPU that is not there
        with torch.backends.mkldnn.flags(enabled=False):
            yield


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def excused(spec: Spec, diagnose: Diagnosis, task: str, largest: float) -> Tolerance:
    """Return the tolerance of a comparison whose only fault is a difference of scores.

    A number that the spec itself says is kept to the letter, and what lies beyond all that noise may excuse is not
    measured.
    """
    if spec.proof.within_said or not largest <= AT_MOST:
        return Tolerance(spec.proof.scores_within)
    return tolerance_of(spec, diagnose.noise(task))
