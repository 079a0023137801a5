"""Runs each part alone, one after the other.

This is the reference of stacks without a flair tagger, and finds the first part whose output diverges. A part whose
weights come from a loaded model is run by that model; an exported subgraph is run from its own file, untouched; glue
is run as a model of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.forms.registry import reading
from assembler.onnx_model.sessions import first_line, open_session, run
from assembler.proof.tolerances import allowed
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


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a tensor of the model is from the reference.

    Attributes:
        tensor: `node.port`, or the name of an output.
        largest: The absolute difference that exceeds what is allowed by most; infinite where shapes, types or text
            differ.
        index: Where it is.
        source: The reference's value there, or its shape.
        model: The model's value there, or its shape.
        differs: Whether it is more than is allowed.
    """

    tensor: str
    largest: float
    index: tuple[int, ...]
    source: str
    model: str
    differs: bool

    def __str__(self) -> str:
        """Return one line with the figures on both sides."""
        place = f" at {list(self.index)}" if self.index else ""
        sides = f"the source has {self.source}, the model {self.model}"
        return f"{self.tensor}: differs by {self.largest:.3g}{place}: {sides}"


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


def gap(tensor: str, source: Array, model: Array, within: float = 0.0) -> Gap:
    """Compare two tensors.

    Args:
        tensor: What they are called.
        source: The source's.
        model: The model's.
        within: How far floats may differ, beside the share of their size that their type may (`tolerances`).
    """
    if source.shape != model.shape or source.dtype != model.dtype:
        theirs, ours = (f"{array.dtype}{list(array.shape)}" for array in (source, model))
        return Gap(tensor, np.inf, (), theirs, ours, differs=True)
    if source.size == 0:
        return Gap(tensor, 0.0, (), "nothing", "nothing", differs=False)
    if source.dtype.kind in "OUSb":
        distance = np.where(source == model, 0.0, np.inf)
    else:
        with np.errstate(invalid="ignore"):
            distance = np.abs(source.astype(np.float64) - model.astype(np.float64))
        same = (source == model) | (np.isnan(source.astype(np.float64)) & np.isnan(model.astype(np.float64)))
        distance = np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
    excess = distance - allowed(source, within)
    flat = int(np.argmax(excess))
    index = tuple(int(axis) for axis in np.unravel_index(flat, source.shape))
    sides = str(source[index]), str(model[index])
    return Gap(tensor, float(distance.flat[flat]), index, *sides, differs=bool(excess.flat[flat] > 0))
