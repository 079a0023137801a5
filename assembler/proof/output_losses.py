"""How much a lossy profile changes the outputs of a stack that gives no tags, and whether that is within its budget.

Of floats it is the relative error: the root of the summed squares of the differences, over that of the source's values,
over all sets of inputs that count. Values that are equal on both sides count on neither: a mask of -1e9 would make any
error of the others small. Of everything else it is the share of values that differ.

Limits: the values of one output are measured together. Where it joins values of different sizes, coordinates and
probabilities for one, the error of the small ones does not show; give them as outputs of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.passes.profiles import PROFILES
from assembler.proof.interval import fewest, interval
from assembler.proof.tolerances import RELATIVE
from assembler.proof.value_gaps import arrays_of, value_gap
from assembler.spec.defaults import LARGEST_CHANGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.core.arrays import Array, RuntimeValue
    from assembler.core.values import Value
    from assembler.proof.stepwise_gaps import Gap
    from assembler.spec.stack_spec import Spec

#: What the budget was measured on.
CASES, RANDOM = "the cases of the spec", "random values"


@dataclass(frozen=True, slots=True)
class OutputLoss:
    """What was measured for one output.

    Attributes:
        name: The output.
        counted: Whether values that differ are counted, and no relative error is measured.
        changed: The relative error, or the share of values that differ.
        allowed: The most that it may be.
        values: The values that were compared.
        largest: The largest difference of a number.
        place: Where it is, with the values of both sides.
        equal: Whether the differences are, at the root of their mean square, within what an exact profile may differ.
    """

    name: str
    counted: bool
    changed: float
    allowed: float
    values: int
    largest: float
    place: str
    equal: bool = False

    @property
    def kept(self) -> bool:
        """Whether it is within the budget. What is no number never is."""
        return self.equal or self.changed <= self.allowed

    @property
    def enough(self) -> bool:
        """Whether enough values were counted to show anything of such a budget."""
        return not self.counted or not self.values or self.values >= fewest(self.allowed)

    def __str__(self) -> str:
        """Return the figures in one line."""
        if self.counted:
            least, most = interval(round(self.changed * self.values), self.values)
            number = round(self.changed * self.values)
            said = f"{number:,} of {self.values:,} values differ ({self.changed:.2%}, "
            return f"{self.name}: {said}95% interval {least:.2%} to {most:.2%}), allowed are {self.allowed:.2%}"
        said = f"{self.name}: a relative error of {self.changed:.3%} in {self.values:,} values, allowed is "
        return f"{said}{self.allowed:.2%}; the largest difference is {self.largest:.3g}{self.place}"

    def record(self) -> dict[str, Value]:
        """Return the figures for the `proof` record."""
        key = "values_changed" if self.counted else "relative_error"
        figures: dict[str, Value] = {
            key: float(f"{self.changed:.3g}"),
            "allowed": self.allowed,
            "values": self.values,
        }
        return figures if self.counted else {**figures, "largest_difference": float(f"{self.largest:.3g}")}


@dataclass(frozen=True, slots=True)
class OutputLosses:
    """What was measured for all outputs.

    Attributes:
        measured_on: What the sets of inputs are to which the budget applies.
        outputs: Each output.
        elsewhere: The same on other sets of inputs, which decides nothing.
    """

    measured_on: str
    outputs: tuple[OutputLoss, ...]
    elsewhere: tuple[OutputLoss, ...] = ()

    def lines(self) -> Iterable[str]:
        """Yield the lines of the report."""
        yield from map(str, self.outputs)
        yield f"measured on {self.measured_on}"
        yield from (f"on {RANDOM}, which decides nothing: {loss}" for loss in self.elsewhere)

    def record(self) -> dict[str, Value]:
        """Return its entries in the `proof` record."""
        return {"measured_on": [self.measured_on], "outputs": {each.name: each.record() for each in self.outputs}}


def allowed_loss(spec: Spec, name: str, *, counted: bool) -> float:
    """Return how much of an output may change."""
    profile, told = PROFILES[spec.profile], spec.proof.outputs_changed
    usual = (profile.tags_changed if counted else profile.relative_error) or 0.0
    return told.get(name, told.get(None, usual))


@dataclass(slots=True)
class _Sums:
    """What is summed up for one output."""

    counted: bool = False
    values: int = 0
    differing: int = 0
    squares: float = 0.0
    of_source: float = 0.0
    largest: float = 0.0
    place: str = ""
    broken: bool = False

    def meet(self, source: Array, model: Array) -> None:
        """Add one tensor, of equal shape and type on both sides."""
        self.values += source.size
        if source.dtype.name not in RELATIVE and source.dtype.kind not in "fc":
            self.counted = True
            self.differing += int(np.count_nonzero(source != model))
            return
        wide = np.complex128 if source.dtype.kind == "c" else np.float64
        theirs, ours = source.astype(wide), model.astype(wide)
        same = (theirs == ours) | (np.isnan(theirs) & np.isnan(ours))
        with np.errstate(invalid="ignore", over="ignore"):
            gaps = np.where(same, 0.0, np.abs(theirs - ours))
        self.broken |= not np.isfinite(gaps).all()
        gaps = np.where(np.isfinite(gaps), gaps, np.inf)
        self.squares += float(np.square(gaps).sum())
        self.of_source += float(np.square(np.abs(np.where(same, 0.0, theirs))).sum())
        if gaps.size and float(gaps.max()) > self.largest:
            self.largest, index = float(gaps.max()), np.unravel_index(int(np.argmax(gaps)), gaps.shape)
            at = f" at {[int(axis) for axis in index]}" if index else ""
            self.place = f"{at}: the source has {source[index]}, the model {model[index]}"

    def loss(self, spec: Spec, name: str) -> OutputLoss:
        """Return the figures."""
        equal = not self.broken and math.sqrt(self.squares / max(self.values, 1)) <= spec.proof.scores_within
        if self.broken:
            changed = math.inf
        elif self.counted:
            changed = self.differing / max(self.values, 1)
        elif self.of_source:
            changed = math.sqrt(self.squares / self.of_source)
        else:
            changed = 0.0 if equal else math.inf
        allowed = allowed_loss(spec, name, counted=self.counted)
        equal &= not self.counted
        return OutputLoss(name, self.counted, changed, allowed, self.values, self.largest, self.place, equal)


Pair = tuple[str, "Mapping[str, RuntimeValue]", "Mapping[str, RuntimeValue]"]


def measured(spec: Spec, pairs: Sequence[Pair], given: int) -> OutputLosses:
    """Measure what a model changes.

    Args:
        spec: The spec.
        pairs: Each set of inputs: its name, the outputs of the reference, and those of the model.
        given: How many of them, from the first, are cases of the spec. If there are any, the others decide nothing.
    """
    if not given:
        return OutputLosses(RANDOM, _measured(spec, pairs))
    return OutputLosses(CASES, _measured(spec, pairs[:given]), _measured(spec, pairs[given:]))


def _measured(spec: Spec, pairs: Sequence[Pair]) -> tuple[OutputLoss, ...]:
    sums: dict[str, _Sums] = {}
    for case, source, model in pairs:
        for name, value in source.items():
            own = sums.setdefault(name, _Sums())
            theirs, ours = [*arrays_of(name, value)], [*arrays_of(name, model[name])]
            alike = [(one.shape, one.dtype) for _, one in theirs] == [(other.shape, other.dtype) for _, other in ours]
            if not alike or not theirs:  # a sequence of another length, a map, or nothing
                gap = value_gap(name, value, model[name])
                own.broken |= gap.differs
                own.place = _in_words(case, gap) if gap.differs else own.place
                continue
            for (_, one), (_, other) in zip(theirs, ours, strict=True):
                own.meet(one, other)
    return tuple(own.loss(spec, name) for name, own in sums.items())


def _in_words(case: str, gap: Gap) -> str:
    return f" ({case}): the source has {gap.source}, the model {gap.model}"


def require_kept_outputs(spec: Spec, against: str, losses: OutputLosses) -> None:
    """Refuse a model that changes more than it may, or that was measured on too few values to say.

    Raises:
        ParityError: It changes more (P002); the values are too few (P009).
    """
    wrong = [each for each in losses.outputs if not each.kept]
    if wrong:
        lines = [f"the profile '{spec.profile}' changes more of what {against} gives than it may"]
        lines += [f"  {each}" for each in wrong] + [f"  measured on {losses.measured_on}"]
        enough = {each.name: math.ceil(each.changed * 1000) / 1000 for each in wrong if math.isfinite(each.changed)}
        hint = "nothing was written; choose an exact profile"
        if len(enough) == len(wrong) and max(enough.values()) <= LARGEST_CHANGE:
            passing = ", ".join(f"{name}: {share:.3f}" for name, share in enough.items())
            hint += f", or allow more in the spec's proof: outputs_changed: {{{passing}}} would pass"
        else:
            hint += f": no spec may allow more than {LARGEST_CHANGE:.0%}"
        if losses.measured_on == RANDOM:
            hint += "; random values may be none that the parts are made for: name real inputs with 'cases'"
        raise ParityError(Problem.at(spec.proof.mark, "P002", "\n".join(lines), hint))
    few = next((each for each in losses.outputs if not each.enough), None)
    if few is not None:
        message = f"the profile '{spec.profile}' was measured on too few values to show that it keeps to its budget"
        message = f"{message}: {few}"
        hint = (
            f"nothing was written; give 'sizes' or 'cases' with at least {fewest(few.allowed):,} values of "
            f"'{few.name}' in the spec's proof, allow more with 'outputs_changed', or choose an exact profile"
        )
        raise ParityError(Problem.at(spec.proof.mark, "P009", message, hint))
