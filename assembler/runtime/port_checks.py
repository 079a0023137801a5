"""Compares the ports of a loaded model with its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.fill.inputs import Unfilled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.runtime.interface import Interface
    from assembler.runtime.session import Session

INT64 = "tensor(int64)"
FLOAT32 = "tensor(float)"


def require_ports(interface: Interface, session: Session, outputs: Mapping[str, str]) -> None:
    """Refuse a model whose ports do not match the metadata, or whose inputs cannot be filled.

    Args:
        interface: The metadata's interface.
        session: The loaded model.
        outputs: The outputs that are read, each with its type.

    Raises:
        ModelError: M014 for each port.
    """
    messages = [*_unfit_inputs(interface, session.inputs), *_unfit_outputs(outputs, session.outputs)]
    problems = [entry.problem(session.file) for entry in interface.inputs if isinstance(entry, Unfilled)]
    problems += [Problem("M014", message, file=session.file) for message in messages]
    if problems:
        raise ModelError(*problems)


def _unfit_inputs(interface: Interface, inputs: Mapping[str, str]) -> Iterator[str]:
    filled = {entry.name: f"tensor({entry.dtype})" for entry in interface.inputs}
    for name, kind in inputs.items():
        if name not in filled:
            yield f"input '{name}' has no entry in assembler.interface, so nobody knows what fills it"
        elif kind != filled[name]:
            yield f"input '{name}' is {kind}, expected {filled[name]}"
    for entry in interface.inputs:
        if entry.name not in inputs:
            yield f"input '{entry.name}' of assembler.interface is not in the model, which has {', '.join(inputs)}"


def _unfit_outputs(wanted: Mapping[str, str], outputs: Mapping[str, str]) -> Iterator[str]:
    for name, kind in wanted.items():
        if name not in outputs:
            yield f"output '{name}' of assembler.interface is not in the model, which has {', '.join(outputs)}"
        elif outputs[name] != kind:
            yield f"output '{name}' is {outputs[name]}, expected {kind}"
