"""The reference for outputs that no loaded model computes as a whole: each part run alone, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.onnx_model.nesting import all_nodes
from assembler.onnx_model.sessions import open_session, run_all
from assembler.passes.profiles import PROFILES
from assembler.proof.dims import Dims, require_dims
from assembler.proof.noise import Tolerance
from assembler.proof.output_losses import measured, require_kept_outputs
from assembler.proof.reference import Found
from assembler.proof.reporting import divergence_lines, failure_hint
from assembler.proof.tolerances import shown
from assembler.proof.trial_cases import try_parts
from assembler.proof.value_gaps import arrays_of, value_gap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from assembler.core.arrays import Array, RuntimeValue, RuntimeValues
    from assembler.core.values import Value
    from assembler.onnx_model.fragment import Fragment
    from assembler.onnx_model.sessions import OpenSession
    from assembler.proof.stepwise_gaps import Gap
    from assembler.proof.trial_cases import Trial
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.surgery.stepwise import Stepwise
    from assembler.wiring.graph import Wiring

#: What a proof against the parts shows.
SHOWS = (
    "this shows that the joined model computes what its parts do one after the other, not that they belong together so"
)

#: The operators that draw random numbers, which are others in each run.
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)


@dataclass(frozen=True, slots=True, eq=False)
class PartReference:
    """The results of the parts, run one by one.

    Attributes:
        spec: The spec.
        tensors: Named inputs, and the outputs of the parts for them.
        notes: How the inputs were found, if that was not the usual way.
        random: The parts that compute something else each time, described in words.
        whole: The source that is the whole model, and is compared with in those outputs that it has; or `None`.
        mistaken: The outputs whose files name another number of axes than every run shows.
        given: How many of the inputs, from the first, are cases of the spec.
    """

    spec: Spec
    tensors: Sequence[tuple[str, RuntimeValues, RuntimeValues]]
    notes: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    whole: str | None = None
    mistaken: frozenset[str] = frozenset()
    given: int = 0

    @property
    def against(self) -> str:
        """What it is called."""
        return self.whole or "each part alone"

    @property
    def shows(self) -> str | None:
        """What a comparison with it shows and does not show; `None` for a whole model."""
        return None if self.whole else SHOWS

    @classmethod
    def of(
        cls, wiring: Wiring, sources: OpenSources, sentences: Sequence[Sequence[str]], stepwise: Stepwise
    ) -> PartReference:
        """Run the parts on sentences where inputs are filled from text, and on random values elsewhere.

        Raises:
            ParityError: An output of a part contradicts its declared dims (P006), or differs from what a case of the
                spec expects (P002); or a part has ways of computing that no run has met (P005).
            SpecError: The cases of the spec are at fault (W026), inputs are too large (W025), or the whole model has
                other ports (W012).
            ModelError: The parts run on no inputs (M007, M025 to M027).
        """
        cases = []
        wrong: list[str] = []
        trials = try_parts(wiring, sources, sentences, stepwise)
        mistaken = _mistaken(wiring, trials.cases)
        for trial in trials.cases:
            dims = Dims(trial.name)
            for tensor, value in trial.values.items():
                if isinstance(value, np.ndarray) and tensor not in mistaken:
                    dims.meet(tensor, wiring.tensors[tensor].dims, value)
            wrong += dims.wrong
            outputs = {public: trial.values[output.reference.text] for public, output in wiring.spec.outputs.items()}
            _require_expected(wiring.spec, trial, outputs)
            whole = {name: array for name, array in trial.whole.items() if name in outputs}
            cases.append((trial.name, trial.inputs, {**outputs, **whole}))
        require_dims(wiring.spec.proof.mark, wrong)
        unmet = tuple(stepwise.unmet())
        if unmet:
            raise ParityError(*unmet)
        against = wiring.spec.proof.against if any(trial.whole for trial in trials.cases) else None
        notes = (*trials.notes, *(f"its file says otherwise, but {tensor} has {axes} axes in every run"
                                  for tensor, axes in mistaken.items()))  # fmt: skip
        public = (name for name, output in wiring.spec.outputs.items() if output.reference.text in mistaken)
        random = random_parts(stepwise.fragments)
        return cls(wiring.spec, cases, notes, random, against, frozenset(public), trials.given)

    def axes(self) -> dict[str, int]:
        """Return the number of axes of each output for which all runs have the same number."""
        seen: dict[str, set[int]] = {}
        for _, _, outputs in self.tensors:
            for name, value in outputs.items():
                if isinstance(value, np.ndarray):
                    seen.setdefault(name, set()).add(value.ndim)
        return {name: next(iter(found)) for name, found in seen.items() if len(found) == 1}

    def prove(self, path: Path, diagnose: Callable[[], Sequence[Gap]]) -> Found:
        """Compare every output, or measure how much of it a lossy profile changes.

        Raises:
            ParityError: An output differs (P002), of a lossy profile by more than its budget, or was measured on too
                few values (P009).
            ModelError: The model cannot be run (M006, M007).
        """
        session = open_session(path, "the assembled model")
        if PROFILES[self.spec.profile].lossy:
            return self._measure(session)
        largest, within = 0.0, self.spec.proof.scores_within
        for case, inputs, outputs in self.tensors:
            given = run_all(session, inputs, "the assembled model")
            gaps = [value_gap(name, expected, given[name], within) for name, expected in outputs.items()]
            largest = max([largest, *(entry.largest for entry in gaps)])
            wrong = [entry for entry in gaps if entry.differs]
            if wrong:
                raise ParityError(self._problem(case, wrong, diagnose()))
        return Found(len(self.tensors), 0, 0, largest, tolerance=Tolerance(within, types=self._types()))

    def _measure(self, session: OpenSession) -> Found:
        pairs = [
            (case, outputs, run_all(session, inputs, "the assembled model")) for case, inputs, outputs in self.tensors
        ]
        losses = measured(self.spec, pairs, self.given)
        require_kept_outputs(self.spec, f"'{self.whole}'" if self.whole else self.against, losses)
        return Found(len(pairs), 0, 0, max((each.largest for each in losses.outputs), default=0.0), outputs=losses)

    def _types(self) -> frozenset[str]:
        values = (named for _, _, outputs in self.tensors for named in outputs.items())
        return frozenset(array.dtype.name for named in values for _, array in arrays_of(*named))

    def record(self) -> Mapping[str, Value]:
        """Return the name of the reference."""
        return {"against": self.against}

    def _problem(self, case: str, wrong: Sequence[Gap], gaps: Sequence[Gap]) -> Problem:
        allowed = shown(self.spec.proof.scores_within, self._types())
        what = f"'{self.whole}' computes" if self.whole else "its parts compute one by one"
        lines = [
            f"the model does not compute what {what} ({case}), allowed is {allowed}",
            *(f"  {entry}" for entry in wrong),
            *divergence_lines(gaps),
        ]
        hint = failure_hint(0, max(entry.largest for entry in wrong))
        if self.random:
            hint = f"nothing was written; {', '.join(self.random)}: such a part cannot be proven"
        return Problem.at(self.spec.proof.mark, "P002", "\n".join(lines), hint)


def _mistaken(wiring: Wiring, trials: Sequence[Trial]) -> dict[str, int]:
    """Return the tensors whose files name another number of axes than every run shows, with that number.

    ONNX Runtime accepts such files. Dims that the spec itself declares are not overruled.
    """
    found: dict[str, int] = {}
    for text, type_ in wiring.tensors.items():
        node = text.partition(".")[0]
        values = (trial.values[text] for trial in trials if text in trial.values)
        ranks = {value.ndim for value in values if isinstance(value, np.ndarray)}
        told = wiring.spec.graph[node].parameters.get("dims") if node in wiring.spec.graph else True
        if type_.dims is not None and len(ranks) == 1 and ranks != {len(type_.dims)} and not told:
            found[text] = ranks.pop()
    return found


def _require_expected(spec: Spec, trial: Trial, outputs: RuntimeValues) -> None:
    """Compare the results of the parts for a case with what a person expects.

    Raises:
        ParityError: It differs (P002).
    """
    within = spec.proof.scores_within
    gaps = [
        value_gap(name, _as_given(expected, outputs[name]), outputs[name], within)
        for name, expected in trial.expected.items()
    ]
    wrong = [entry for entry in gaps if entry.differs]
    if wrong:
        lines = [f"the parts do not compute what {trial.name} expects", *(f"  {entry}" for entry in wrong)]
        hint = "nothing was written; check that these parts, in this order, computed the expected outputs"
        raise ParityError(Problem.at(spec.proof.trials.cases_mark, "P002", "\n".join(lines), hint))


def _as_given(expected: Array, given: RuntimeValue) -> Array:
    """Return the expected array in the type of the actual one, if the file of cases has only its bytes."""
    if isinstance(given, np.ndarray) and (expected.dtype.kind, expected.itemsize) == ("V", given.itemsize):
        return expected.view(given.dtype)
    return expected


def random_parts(fragments: Mapping[str, Fragment]) -> tuple[str, ...]:
    """Return the parts that have operators which draw random numbers, in words."""
    found = []
    for name, fragment in fragments.items():
        operators = sorted({node.op_type for node in all_nodes(fragment.graph) if node.op_type in _RANDOM})
        if operators:
            found.append(f"the part '{name}' has {', '.join(operators)}, which is random")
    return tuple(found)
