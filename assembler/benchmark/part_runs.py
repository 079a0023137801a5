"""The parts of a stack, run one after the other with as little as possible between ONNX Runtime and ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from assembler.onnx_model.sessions import open_session, run_all
from assembler.runtime.engine import ort
from assembler.surgery.single import OUTPUT, single_part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from assembler.core.arrays import RuntimeValue, RuntimeValues
    from assembler.onnx_model.sessions import OpenSession
    from assembler.surgery.stepwise import Stepwise
    from assembler.wiring.graph import Wiring

    #: Returns outputs by name.
    Run = Callable[[RuntimeValues], RuntimeValues]

#: The types of ports whose values are arrays as they are, both ways.
_PLAIN = frozenset(
    f"tensor({name})"
    for name in (
        *("float", "double", "float16", "bool", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64"),
    )
)


@runtime_checkable
class HasFile(Protocol):
    """Weights that are a file which ONNX Runtime runs by itself."""

    @property
    def file(self) -> Path:
        """The file."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One part: what runs it, what feeds its inputs, and what its outputs are called in the stack."""

    run: Run
    fed: Sequence[tuple[str, str]]
    given: Mapping[str, str]


def model_run(model: Path | bytes, what: str) -> Run:
    """Open a model, and return what runs it.

    Raises:
        ModelError: ONNX Runtime does not load it (M006).
    """
    session = open_session(model, what)
    if isinstance(session, ort.InferenceSession) and {port.type for port in _ports(session)} <= _PLAIN:
        names = [port.name for port in session.get_outputs()]
        wanted = {port.name for port in session.get_inputs()}

        def run(inputs: RuntimeValues) -> RuntimeValues:
            fed = {name: value for name, value in inputs.items() if name in wanted}
            return dict(zip(names, session.run(names, fed), strict=True))

        return run
    return lambda inputs: run_all(session, inputs, what)


def _ports(session: OpenSession) -> list[ort.NodeArg]:
    return [*session.get_inputs(), *session.get_outputs(), *session.get_overridable_initializers()]


def part_runs(wiring: Wiring, stepwise: Stepwise) -> Run:
    """Return what runs the parts of a stack: each file in a session, each glue in another, the rest as a proof does.

    Raises:
        ModelError: ONNX Runtime does not load a part (M006).
    """
    steps = [_step(wiring, stepwise, node) for node in wiring.order]
    outputs = {name: output.reference.text for name, output in wiring.spec.outputs.items()}

    def run(inputs: RuntimeValues) -> RuntimeValues:
        values: dict[str, RuntimeValue] = dict(inputs)
        for step in steps:
            given = step.run({name: values[text] for name, text in step.fed})
            for name, text in step.given.items():
                values[text] = given[name]
        return {name: values[text] for name, text in outputs.items()}

    return run


def _step(wiring: Wiring, stepwise: Stepwise, node: str) -> _Step:
    weights, what = wiring.views[node].weights, f"the part '{node}' alone"
    edges = [(edge.port, edge.reference.text) for edge in wiring.edges[node]]
    ports = [text.partition(".")[2] for text in wiring.tensors if text.startswith(f"{node}.")]
    if wiring.kind(node).run is None and isinstance(weights, HasFile):
        return _Step(model_run(weights.file, what), edges, {port: f"{node}.{port}" for port in ports})
    if weights is None:
        fragment = stepwise.fragments[node]
        fed = [
            (tensor, edge.reference.text)
            for port, tensors in fragment.inputs.items()
            for tensor, edge in zip(tensors, wiring.feeding(node, port), strict=True)
        ]
        glue = model_run(single_part(wiring, node, fragment), what)
        return _Step(glue, fed, {f"{OUTPUT}{port}": f"{node}.{port}" for port in ports})

    def run(inputs: RuntimeValues) -> RuntimeValues:
        return stepwise.part(node, {port: [value] for port, value in inputs.items()})

    return _Step(run, edges, {port: f"{node}.{port}" for port in ports})
