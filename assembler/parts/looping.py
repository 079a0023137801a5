"""`loop`: a graph with state, step after step."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from assembler.core.tensors import TensorType
from assembler.parts.kind import Cases, Complaint, Kind, PartView, Port, Ports
from assembler.parts.loop_plan import STEPS, Plan, complaints
from assembler.parts.port_dims import DIMS, bound_dims, by_place, opened, renamed, told_dims, unknown_dims

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.arrays import Array, Arrays, RuntimeValues
    from assembler.core.values import Value
    from assembler.onnx_model.emitter import Emitter

_SECOND = "second step"


def ports(part: PartView) -> Ports:
    """The inputs of the graph, with an axis more where they are scanned; its final states, and what is collected."""
    plan = Plan.of(part)
    if plan is None or any(True for _ in complaints(plan)):
        return Ports(None, None)
    names, defaults = told_dims(part.parameters), plan.header.defaults
    fed, given = (renamed(types, names) for types in _types(plan))
    ports = [] if plan.scan else [Port(STEPS, TensorType("int64", ()), tries=(3, 1, 0))]
    for name, type_ in fed.items():
        optional = name in defaults or (name in plan.states and plan.is_zero(name))
        ports.append(Port(name, type_, optional=optional))
    bound = bound_dims(fed)
    return Ports(tuple(ports), tuple(Port(name, opened(type_, bound)) for name, type_ in given.items()))


def _types(plan: Plan) -> tuple[dict[str, TensorType], dict[str, TensorType]]:
    """Return the types of what the part is fed and of what it gives."""
    header = plan.header
    fed = {name: plan.stacked(type_) if name in plan.scan else type_ for name, type_ in header.inputs.items()}
    given = {name: plan.final(name) for name in plan.states}
    given |= {name: plan.stacked(header.outputs[name]) for name in plan.collect}
    fed, given = ({name: by_place(name, type_) for name, type_ in types.items()} for types in (fed, given))
    return {**fed, **header.defaults}, given


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of ports that the graph does not have, and of states that do not fit."""
    plan = Plan.of(part)
    if plan is None:
        return
    found = [*complaints(plan)]
    yield from found
    if not found:
        yield from unknown_dims(told_dims(part.parameters), *_types(plan))


def build(part: PartView, emit: Emitter) -> None:
    """Emit a `Scan`, or a `Loop`."""
    from assembler.parts.loop_emission import emit_loop

    plan = Plan.of(part)
    if plan is None or part.weights is None:
        raise TypeError(part.weights)
    emit_loop(plan, part.weights, emit)


def run(part: PartView, inputs: Arrays) -> Arrays:
    """Run the graph once for each step."""
    from assembler.parts.loop_steps import run_steps

    plan = Plan.of(part)
    if plan is None or part.weights is None:
        raise TypeError(part.weights)
    return run_steps(plan, part.weights, inputs)


def _case(part: PartView, inputs: Arrays, given: RuntimeValues) -> str:
    plan = Plan.of(part)
    if plan is None:
        raise TypeError(part.weights)
    rows = given.get(plan.collect[0]) if plan.collect else None
    steps = _fed_steps(plan, inputs) if rows is None else cast("Array", rows).shape[plan.axis]
    return _SECOND if steps > 1 else f"{steps} steps"


def _fed_steps(plan: Plan, inputs: Arrays) -> int:
    return inputs[plan.scan[0]].shape[plan.axis] if plan.scan else int(inputs[STEPS])


def _ports_list(what: str, example: str) -> dict[str, Value]:
    return {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "uniqueItems": True,
        "description": what,
        "examples": [[example]],
    }


KIND = Kind(
    name="loop",
    summary="A graph with state, an exported subgraph or a spec, step after step: over the frames of scanned inputs, "
    "or as often as `steps` says. Other inputs are the same in each step.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "states": {
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1},
            "description": "For each input of the graph that is a state, the output that is its value in the next "
            "step. The part has an input of this name for the first value. Where its shape is fixed, that may be left "
            "out: it is zeros then. It has an output of the same name for the last value.",
            "examples": [{"h": "h_next"}],
        },
        "scan": _ports_list(
            "The inputs of the graph of which each step reads a slice. They have an axis more.", "frame"
        ),
        "collect": _ports_list("The outputs of the graph that are stacked, with an axis more.", "probability"),
        "axis": {
            "type": "integer",
            "minimum": 0,
            "maximum": 8,
            "default": 0,
            "description": "The axis that is sliced, and along which is stacked.",
            "examples": [1],
        },
        "while": {
            "type": "string",
            "minLength": 1,
            "description": "Without 'scan': an output of the graph, bool, that says whether there is another step. "
            "There are never more than the port 'steps' says.",
            "examples": ["going"],
        },
        "dims": DIMS,
    },
    new_dims=("dims",),
    weights=True,
    takes=frozenset({"graph", "stack"}),
    foreign=True,
    run=run,
    cases=Cases(
        (_SECOND,),
        _case,
        "give the proof more steps: proof: {sizes: {frames: [1, 7]}, inputs: {steps: {values: [3]}}}, or cases",
    ),
    example={
        "kind": "loop",
        "weights": "vad",
        "states": {"h": "h_next"},
        "scan": ["frame"],
        "collect": ["probability"],
        "inputs": {"frame": "frames"},
    },
)
