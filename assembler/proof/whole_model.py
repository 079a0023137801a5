"""The whole model that a stack was cut out of, where the spec names it as the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import SpecError
from assembler.core.problems import Problem, listed, suggest

if TYPE_CHECKING:
    from collections.abc import Collection

    from assembler.sources.opening import OpenSources
    from assembler.weights.protocol import Weights
    from assembler.wiring.graph import Wiring


def whole_model(wiring: Wiring, sources: OpenSources) -> Weights | None:
    """Return the source that is the reference of the proof, if it is a whole graph; otherwise `None`.

    Its inputs are fed by the stack's inputs of the same names, and its outputs must equal the stack's outputs of the
    same names.

    Raises:
        SpecError: It has an input that the stack lacks, or they have no output in common (W012).
    """
    spec, against = wiring.spec, wiring.spec.proof.against
    if against is None or not sources.forms[against].whole:
        return None
    model = sources.opened[against].weights(against)
    header = getattr(model, "header", None)
    if model is None or header is None:
        raise TypeError(against)
    inputs: Collection[str] = header.inputs
    outputs: Collection[str] = header.outputs
    lacking = [name for name in inputs if name not in spec.inputs]
    if lacking:
        message = f"proof: '{against}' has the input '{lacking[0]}', which the stack has not"
        hint = f"{suggest(lacking[0], spec.inputs, what='its inputs')}; they are fed by name"
        raise SpecError(Problem.at(spec.proof.mark, "W012", message, hint))
    if not set(outputs) & set(spec.outputs):
        message = f"proof: '{against}' has none of the stack's outputs: it has {listed(list(outputs))}"
        hint = "give the outputs of the stack the names that they have there: they are compared by name"
        raise SpecError(Problem.at(spec.proof.mark, "W012", message, hint))
    return model
