"""`if`: one of two graphs, as a condition says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType
from assembler.parts.kind import Cases, Complaint, Kind, PartView, Port, Ports
from assembler.parts.merged_ports import merged
from assembler.parts.nested_graph import fragment_of, header_of, lifted
from assembler.parts.port_dims import DIMS, bound_dims, by_place, opened, renamed, told_dims, unknown_dims
from assembler.weights.several import SeveralWeights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.arrays import Arrays, RuntimeValues
    from assembler.core.values import Value
    from assembler.onnx_model.emitter import Emitter
    from assembler.parts.merged_ports import Merged
    from assembler.weights.protocol import Weights

_CONDITION = "condition"
_THEN, _ELSE = "then", "else"


def ports(part: PartView) -> Ports:
    """The condition and the inputs of both graphs, and the outputs that both have."""
    both = _merged(part)
    if both is None:
        return Ports(None, None)
    condition = Port(_CONDITION, TensorType("bool", ()), tries=(0, 1))
    names = told_dims(part.parameters)
    inputs, defaults = renamed(both.inputs, names), renamed(both.defaults, names)
    outputs, bound = renamed(both.outputs, names), bound_dims(inputs)
    return Ports(
        (
            condition,
            *(Port(name, type_, any_value=True) for name, type_ in inputs.items()),
            *(Port(name, type_, optional=True, any_value=True) for name, type_ in defaults.items()),
        ),
        tuple(Port(name, opened(type_, bound)) for name, type_ in outputs.items()),
    )


def _merged(part: PartView) -> Merged | None:
    if not isinstance(part.weights, SeveralWeights):
        return None
    first, second = (header_of(part.weights.parts[key]) for key in (_THEN, _ELSE))
    if first is None or second is None:
        return None
    both = merged(first, second)
    return replace(both, outputs={name: by_place(name, type_) for name, type_ in both.outputs.items()})


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of ports in which the two graphs differ."""
    both = _merged(part)
    if both is None:
        return
    for name, what in both.clashes.items():
        yield Complaint((_ELSE,), f"'{name}' is {what}", "ports of one name are one port: export both graphs alike")
    if _CONDITION in both.inputs or _CONDITION in both.defaults:
        message = f"a graph has an input '{_CONDITION}', which is the part's own port"
        yield Complaint((_THEN,), message, "export it with another name")
    if not both.outputs:
        yield Complaint((_ELSE,), "the two graphs have no output in common", "export both with outputs of one name")
    yield from unknown_dims(told_dims(part.parameters), {**both.inputs, **both.defaults}, both.outputs)


def build(part: PartView, emit: Emitter) -> None:
    """Emit an `If`, whose branches read the part's inputs from outside, and its weights."""
    from onnx import helper

    from assembler.onnx_model.opsets import common_opsets
    from assembler.onnx_model.type_protos import type_proto

    both = _merged(part)
    if both is None:
        raise TypeError(part.weights)
    fragments = {}
    for key in (_THEN, _ELSE):
        header = header_of(_weights(part, key))
        known = (*header.inputs, *header.defaults) if header is not None else ()
        fragments[key] = fragment_of(_weights(part, key), emit.opset, [port for port in known if emit.inputs(port)])
    opsets = common_opsets({f"{part.node}.{key}": fragment for key, fragment in fragments.items()})
    branches = {}
    for key, fragment in fragments.items():
        fed = {port: emit.input(port) for port in fragment.inputs}
        nodes, given = lifted(emit, fragment, key, fed, opsets)
        outputs = [
            helper.make_value_info(given[port], type_proto(TensorType(type_.dtype, None), f"the output '{port}'"))
            for port, type_ in both.outputs.items()
        ]
        branches[f"{key}_branch"] = helper.make_graph(nodes, key, [], outputs)
    tensors = emit.ops("If", [emit.input(_CONDITION)], emit.names.scope("if"), len(both.outputs), **branches)
    for port, tensor in zip(both.outputs, tensors, strict=True):
        emit.output(port, tensor)


def _weights(part: PartView, key: str) -> Weights:
    if not isinstance(part.weights, SeveralWeights):
        raise TypeError(part.weights)
    return part.weights.parts[key]


def _case(_part: PartView, inputs: Arrays, _given: RuntimeValues) -> str:
    return f"'{_THEN}'" if bool(inputs[_CONDITION]) else f"'{_ELSE}'"


def run(part: PartView, inputs: Arrays) -> RuntimeValues:
    """Run the graph that the condition picks, alone."""
    weights = _weights(part, _THEN if bool(inputs[_CONDITION]) else _ELSE)
    header, both = header_of(weights), _merged(part)
    if header is None or both is None:
        raise TypeError(weights)
    given = weights.run({name: inputs[name] for name in (*header.inputs, *header.defaults) if name in inputs}) or {}
    return {port: given[port] for port in both.outputs}


def branch(what: str, example: str) -> dict[str, Value]:
    """Return the schema of a parameter that names a source."""
    return {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*$(?!\n)", "description": what, "examples": [example]}


KIND = Kind(
    name="if",
    summary="One of two graphs, exported subgraphs or specs, as a condition says. Its inputs are those of both, its "
    "outputs those that both have; weights that both have are stored once.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        _THEN: branch("The source whose graph runs where the condition is true.", "with_past"),
        _ELSE: branch("The source whose graph runs where it is false.", "first_step"),
        "dims": DIMS,
    },
    new_dims=("dims",),
    required=(_THEN, _ELSE),
    sources=(_THEN, _ELSE),
    takes=frozenset({"graph", "stack"}),
    foreign=True,
    run=run,
    cases=Cases(
        (f"'{_THEN}'", f"'{_ELSE}'"),
        _case,
        "give cases that lead to both branches: proof: {inputs: {…: {values: […]}}}, or cases: file.npz",
    ),
    example={
        "kind": "if",
        "then": "with_past",
        "else": "first_step",
        "inputs": {"condition": "has_past", "tokens": "tokens", "past": "past"},
    },
)
