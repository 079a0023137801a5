"""Emits every part of a wired stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.onnx_model.emitter import Emitter
from assembler.parts.registry import running
from assembler.passes.recognition import with_recognised

if TYPE_CHECKING:
    from assembler.onnx_model.fragment import Fragment
    from assembler.wiring.graph import Wiring


def emit_parts(wiring: Wiring) -> dict[str, Fragment]:
    """Return each part as ONNX, by node.

    Args:
        wiring: The wiring, with the weights of every part that has any.

    Raises:
        ModelError: A builder has left out an output that its kind promises (M004).
        SpecError: A builder of another package has failed (K003).
    """
    fragments = {}
    for node in wiring.order:
        counts = {port.name: len(wiring.feeding(node, port.name)) for port in wiring.inputs[node]}
        emit = Emitter(counts, wiring.spec.opset)
        with running(wiring.spec.graph[node]):
            wiring.kind(node).build(wiring.views[node], emit)
        fragment = with_recognised(emit.fragment())
        promised = {text.partition(".")[2] for text in wiring.tensors if text.startswith(f"{node}.")}
        for port in sorted(promised - set(fragment.outputs)):
            kind = wiring.spec.graph[node].kind
            message = f"the builder of kind '{kind}' gave no output '{port}' for '{node}'"
            raise ModelError(
                Problem.at(wiring.spec.graph[node].kind_mark, "M004", message, "mend the package that brings the kind")
            )
        fragments[node] = fragment
    return fragments
