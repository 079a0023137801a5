"""Runs each part of a stack alone, one after another.

A part whose weights come from a loaded model is run by that model. An exported subgraph is run from its own, unchanged
file. Other parts are run as separate models.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.forms.registry import reading
from assembler.isolation.model_runs import all_shown
from assembler.onnx_model.sessions import first_line, open_session, run_all
from assembler.surgery.single import OUTPUT, single_part
from assembler.weights.several import SeveralWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.core.arrays import Arrays, RuntimeValue, RuntimeValues
    from assembler.forms.source import Source
    from assembler.isolation.session import IsolatedSession
    from assembler.onnx_model.fragment import Fragment
    from assembler.runtime.engine import ort
    from assembler.weights.protocol import Weights
    from assembler.wiring.graph import Wiring

#: The errors of torch and numpy for sizes or ids that do not fit a part.
_MISFITS = (RuntimeError, ValueError, IndexError)


@runtime_checkable
class HasParts(Protocol):
    """Weights that are a stack themselves."""

    @property
    def stepwise(self) -> Stepwise:
        """Its parts, each to be run alone."""


def inner_stacks(weights: Weights | None) -> Iterator[Stepwise]:
    """Yield the stacks that are the weights of a part."""
    for each in weights.parts.values() if isinstance(weights, SeveralWeights) else [weights]:
        if isinstance(each, HasParts):
            yield each.stepwise


def ways(wiring: Wiring) -> Iterator[str]:
    """Yield the parts that compute in several ways, such as branches, in the stack or in one that is a part of it."""
    for node in wiring.order:
        if wiring.kind(node).cases is not None:
            yield node
        for inner in inner_stacks(wiring.views[node].weights):
            yield from ways(inner.wiring)


class Stepwise:
    """The parts of a stack, each to be run alone."""

    def __init__(self, wiring: Wiring, fragments: Mapping[str, Fragment]) -> None:
        """Keep the parts; models of glue are opened when they are first run."""
        self.wiring = wiring
        self.fragments = fragments
        self._met: dict[str, set[str]] = {}
        self._sessions: dict[str, ort.InferenceSession | IsolatedSession] = {}

    def weights(self) -> dict[str, Weights]:
        """Return the weights of each part that has some."""
        found = {node: self.wiring.views[node].weights for node in self.wiring.order}
        return {node: weights for node, weights in found.items() if weights is not None}

    def run(self, inputs: RuntimeValues) -> Iterator[tuple[str, RuntimeValue]]:
        """Yield every value between the parts as `node.port`, in the order of the wiring."""
        values: dict[str, RuntimeValue] = dict(inputs)
        for node in self.wiring.order:
            fed: dict[str, list[RuntimeValue]] = {}
            for edge in self.wiring.edges[node]:
                fed.setdefault(edge.port, []).append(values[edge.reference.text])
            for port, value in self.part(node, fed).items():
                values[f"{node}.{port}"] = value
                yield f"{node}.{port}", value

    def _source_of(self, node: str) -> Source:
        return self.wiring.spec.sources[self.wiring.spec.graph[node].paths[0].source]

    def _by_source(self, node: str, weights: Weights, fed: Arrays) -> RuntimeValues | None:
        kind, view = self.wiring.kind(node), self.wiring.views[node]
        given = weights.run(fed) if kind.run is None else kind.run(view, fed)
        if kind.cases is not None and given is not None:
            self._met.setdefault(node, set()).add(kind.cases.of(view, fed, given))
        return given

    def unmet(self) -> Iterator[Problem]:
        """Yield a problem (P005) for each part of which the runs have not met all that a proof must meet."""
        for node in self.wiring.order:
            cases, view = self.wiring.kind(node).cases, self.wiring.views[node]
            for case in cases.wanted if cases is not None else ():
                if cases is not None and case not in self._met.get(node, ()):
                    message = f"the comparison covers too little to be called a proof: '{node}' has met no {case}"
                    mark = self.wiring.spec.graph[node].mark
                    yield Problem.at(mark, "P005", message, f"nothing was written; {cases.hint}")
            for inner in inner_stacks(view.weights):
                yield from inner.unmet()

    def part(self, node: str, fed: Mapping[str, list[RuntimeValue]]) -> RuntimeValues:
        """Run one part.

        Raises:
            ModelError: It does not run on what it is fed (M007, M025 to M027, M029).
        """
        weights = self.wiring.views[node].weights
        if weights is not None:
            try:
                with reading(self._source_of(node), passing=_MISFITS):
                    # ports take tensors alone, as the wiring has seen to, but for those of an exported subgraph
                    given = self._by_source(node, weights, cast("Arrays", {port: got[0] for port, got in fed.items()}))
            except ModelError as err:  # from a source, which does not know the part
                problems = (replace(each, message=f"the part '{node}': {each.message}") for each in err.problems)
                raise ModelError(*problems) from err
            except _MISFITS as err:
                shapes = all_shown({port: values[0] for port, values in fed.items()})
                message = f"the source does not run the part '{node}' on {shapes}: {first_line(err)}"
                hint = "give the inputs of the spec a 'range', or dims of one name, that fit what they feed"
                raise ModelError(Problem("M007", message, hint)) from err
            if given is not None:
                return given
        if node not in self._sessions:
            model = single_part(self.wiring, node, self.fragments[node])
            self._sessions[node] = open_session(model, f"the part '{node}' alone")
        tensors = self.fragments[node].inputs
        flat = {
            name: value for port, names in tensors.items() for name, value in zip(names, fed.get(port, ()), strict=True)
        }
        outputs = run_all(self._sessions[node], flat, f"the part '{node}' alone")
        return {name.removeprefix(OUTPUT): value for name, value in outputs.items()}
