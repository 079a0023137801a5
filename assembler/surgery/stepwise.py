"""Runs each part of a stack alone, one after the other.

A part whose weights come from a loaded model is run by that model; an exported subgraph is run from its own file,
untouched; glue is run as a model of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.forms.registry import reading
from assembler.onnx_model.sessions import first_line, open_session, run
from assembler.surgery.single import OUTPUT, single_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.forms.source import Source
    from assembler.isolation.session import IsolatedSession
    from assembler.onnx_model.fragment import Fragment
    from assembler.runtime.engine import ort
    from assembler.wiring.graph import Wiring

#: What torch raises, and numpy, on sizes or ids that do not fit a part.
_MISFITS = (RuntimeError, ValueError, IndexError)


class Stepwise:
    """The parts of a stack, each to be run alone."""

    def __init__(self, wiring: Wiring, fragments: Mapping[str, Fragment]) -> None:
        """Keep the parts; models of glue are opened when they are first run."""
        self._wiring = wiring
        self.fragments = fragments
        self._sessions: dict[str, ort.InferenceSession | IsolatedSession] = {}

    def run(self, inputs: Arrays) -> Iterator[tuple[str, Array]]:
        """Yield every tensor between the parts as `node.port`, in the order of the wiring."""
        values: dict[str, Array] = dict(inputs)
        for node in self._wiring.order:
            fed: dict[str, list[Array]] = {}
            for edge in self._wiring.edges[node]:
                fed.setdefault(edge.port, []).append(_tensor(values, edge.reference.text))
            for port, array in self._part(node, fed).items():
                values[f"{node}.{port}"] = array
                yield f"{node}.{port}", array

    def _source_of(self, node: str) -> Source:
        return self._wiring.spec.sources[self._wiring.source_of(node) or ""]

    def _part(self, node: str, fed: Mapping[str, list[Array]]) -> Mapping[str, Array]:
        weights = self._wiring.views[node].weights
        if weights is not None:
            try:
                with reading(self._source_of(node), passing=_MISFITS):
                    given = weights.run({port: arrays[0] for port, arrays in fed.items()})
            except ModelError as err:  # of a source; it does not know of which part
                problems = (replace(each, message=f"the part '{node}': {each.message}") for each in err.problems)
                raise ModelError(*problems) from err
            except _MISFITS as err:
                shapes = ", ".join(f"{port} {arrays[0].dtype}{list(arrays[0].shape)}" for port, arrays in fed.items())
                message = f"the source does not run the part '{node}' on {shapes}: {first_line(err)}"
                hint = "give the inputs of the spec a 'range', or dims of one name, that fit what they feed"
                raise ModelError(Problem("M007", message, hint)) from err
            if given is not None:
                return given
        if node not in self._sessions:
            model = single_part(self._wiring, node, self.fragments[node])
            self._sessions[node] = open_session(model, f"the part '{node}' alone")
        tensors = self.fragments[node].inputs
        flat = {
            name: array for port, names in tensors.items() for name, array in zip(names, fed.get(port, ()), strict=True)
        }
        outputs = run(self._sessions[node], flat, f"the part '{node}' alone")
        return {name.removeprefix(OUTPUT): array for name, array in outputs.items()}


def _tensor(values: Mapping[str, Array], name: str) -> Array:
    if name not in values:  # a sequence or a map of an exported subgraph stays in ONNX Runtime
        raise ModelError(Problem("M005", f"{name} is no tensor", "convert it inside the exported subgraph"))
    return values[name]
