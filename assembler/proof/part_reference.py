"""The reference of outputs that no loaded model gives as a whole: each part run alone, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.onnx_model.sessions import open_session, run
from assembler.proof.dims import Dims, require_dims
from assembler.proof.random_inputs import proof_inputs
from assembler.proof.reference import Found
from assembler.proof.reporting import divergence_lines, failure_hint
from assembler.proof.stepwise import Gap, Stepwise, gap
from assembler.proof.text_inputs import text_interface

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from assembler.core.arrays import Array
    from assembler.core.values import Value
    from assembler.sources.opening import OpenSources
    from assembler.spec.model import Spec
    from assembler.wiring.graph import Wiring


@dataclass(frozen=True, slots=True, eq=False)
class PartReference:
    """What the parts give one by one.

    Attributes:
        spec: The spec.
        tensors: Named inputs and the outputs that the parts give for them.
    """

    spec: Spec
    tensors: Sequence[tuple[str, Mapping[str, Array], Mapping[str, Array]]]

    @property
    def against(self) -> str:
        """What it is called."""
        return "each part alone"

    @classmethod
    def of(
        cls, wiring: Wiring, sources: OpenSources, sentences: Sequence[Sequence[str]], stepwise: Stepwise
    ) -> PartReference:
        """Run the parts on sentences where inputs are filled from text, and on random values elsewhere.

        Raises:
            ParityError: What a part gives contradicts the dims that it declares (P006).
        """
        cases = []
        wrong: list[str] = []
        for name, inputs in proof_inputs(wiring.spec, text_interface(wiring, sources), sentences):
            values = {**inputs, **dict(stepwise.run(inputs))}
            dims = Dims(name)
            for tensor, array in values.items():
                dims.meet(tensor, wiring.tensors[tensor].dims, array)
            wrong += dims.wrong
            outputs = {public: values[output.reference.text] for public, output in wiring.spec.outputs.items()}
            cases.append((name, inputs, outputs))
        require_dims(wiring.spec.proof.mark, wrong)
        return cls(wiring.spec, cases)

    def prove(self, path: Path, diagnose: Callable[[], Sequence[Gap]]) -> Found:
        """Compare every output.

        Raises:
            ParityError: An output differs (P002).
            ModelError: The model cannot be run (M006, M007).
        """
        session = open_session(path, "the assembled model")
        largest, within = 0.0, self.spec.proof.scores_within
        for case, inputs, outputs in self.tensors:
            given = run(session, inputs, "the assembled model")
            gaps = [gap(name, expected, given[name]) for name, expected in outputs.items()]
            largest = max([largest, *(entry.largest for entry in gaps)])
            if largest > within:
                wrong = [entry for entry in gaps if entry.largest > within]
                raise ParityError(self._problem(case, wrong, diagnose()))
        return Found(len(self.tensors), 0, 0, largest)

    def record(self) -> Mapping[str, Value]:
        """Return the name of the reference."""
        return {"against": self.against}

    def _problem(self, case: str, wrong: Sequence[Gap], gaps: Sequence[Gap]) -> Problem:
        within = self.spec.proof.scores_within
        lines = [
            f"the model does not give what its parts give one by one ({case}), allowed is {within:.3g}",
            *(f"  {entry}" for entry in wrong),
            *divergence_lines(gaps),
        ]
        hint = failure_hint(0, max(entry.largest for entry in wrong))
        return Problem.at(self.spec.proof.mark, "P002", "\n".join(lines), hint)
