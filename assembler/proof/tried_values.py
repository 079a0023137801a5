"""Values that ports declare to be tried: both of a condition, several numbers of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from assembler.core.arrays import RuntimeValue, RuntimeValues
    from assembler.wiring.graph import Wiring


def with_tried(wiring: Wiring, inputs: RuntimeValues, case: int) -> dict[str, RuntimeValue]:
    """Return inputs with the values that their ports declare to be tried, unless the spec sets its own.

    Args:
        wiring: The wiring.
        inputs: Random inputs.
        case: Which set of inputs it is. With the next one, the next values are tried.
    """
    spec, found = wiring.spec, dict(inputs)
    for number, (name, tries) in enumerate(_tried(wiring).items()):
        array = inputs[name]
        if isinstance(array, np.ndarray) and name not in spec.proof.trials.inputs and spec.inputs[name].range is None:
            found[name] = np.full_like(array, tries[(case + number) % len(tries)])
    return found


def _tried(wiring: Wiring) -> dict[str, tuple[int, ...]]:
    wanted: dict[str, tuple[int, ...]] = {}
    for node in wiring.order:
        ports = {port.name: port for port in wiring.inputs[node]}
        for edge in wiring.edges[node]:
            if ports[edge.port].tries and edge.reference.text in wiring.spec.inputs:
                wanted.setdefault(edge.reference.text, ports[edge.port].tries)
    return wanted
