"""What a part of the kind `loop` does in each step: which ports of its graph are states, frames, or always the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.problems import suggest
from assembler.core.tensors import PLAIN_DTYPES, Dim, Open, TensorType, Variable
from assembler.parts.kind import Complaint
from assembler.parts.nested_graph import header_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.core.values import Value
    from assembler.onnx_file.header import OnnxHeader
    from assembler.parts.kind import PartView

STEPS = "steps"
#: What can say whether there is another step.
_CONDITIONS: tuple[tuple[str, tuple[Dim, ...]], ...] = (("bool", ()), ("bool", (1,)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a loop does.

    Attributes:
        header: The ports of its graph.
        states: For each input that is a state the output that is its next value.
        scan: The inputs of which each step reads a slice.
        collect: The outputs that are stacked.
        axis: The axis that is sliced and stacked.
        going: The output that says whether there is another step, or `None`.
    """

    header: OnnxHeader
    states: Mapping[str, str]
    scan: tuple[str, ...]
    collect: tuple[str, ...]
    axis: int
    going: str | None

    @classmethod
    def of(cls, part: PartView) -> Plan | None:
        """Return the plan of a part, or `None` before its graph is known."""
        header = header_of(part.weights)
        if header is None:
            return None
        states, axis, going = (part.parameters.get(key) for key in ("states", "axis", "while"))
        return cls(
            header,
            {name: str(text) for name, text in states.items()} if isinstance(states, dict) else {},
            _names(part.parameters.get("scan")),
            _names(part.parameters.get("collect")),
            axis if isinstance(axis, int) else 0,
            going if isinstance(going, str) else None,
        )

    def fixed(self) -> dict[str, TensorType]:
        """Return the inputs that are the same in each step."""
        inputs = {**self.header.inputs, **self.header.defaults}
        return {name: type_ for name, type_ in inputs.items() if name not in self.states and name not in self.scan}

    def steps(self) -> Variable:
        """Return the dim of the steps, which no port of the graph has."""
        types = (*self.header.inputs.values(), *self.header.outputs.values(), *self.header.defaults.values())
        taken = {str(dim) for type_ in types for dim in type_.dims or ()}
        name = STEPS
        while name in taken:
            name += "_"
        return Variable(name)

    def stacked(self, type_: TensorType) -> TensorType:
        """Return a type with the axis of the steps."""
        if type_.dims is None:
            return type_
        return TensorType(type_.dtype, (*type_.dims[: self.axis], self.steps(), *type_.dims[self.axis :]))

    def final(self, name: str) -> TensorType:
        """Return the type of the last value of a state: only a loop without scanned inputs lets its sizes change."""
        first, following = self.header.inputs[name], self.header.outputs[self.states[name]]
        if self.scan or first.dims is None or following.dims is None:
            return first
        pairs = enumerate(zip(first.dims, following.dims, strict=True))
        return TensorType(first.dtype, tuple(a if a == b else Open(f"{name}.{axis}") for axis, (a, b) in pairs))

    def is_zero(self, name: str) -> bool:
        """Return whether a state may begin with zeros: its shape is fixed."""
        type_ = self.header.inputs[name]
        return type_.dtype != "string" and type_.dims is not None and all(isinstance(dim, int) for dim in type_.dims)


def _names(value: Value) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def complaints(plan: Plan) -> Iterator[Complaint]:
    """Complain of ports that the graph does not have, and of what no loop can do with them."""
    missing = [*_missing(plan)]
    yield from missing
    if not missing:
        yield from _misused(plan)
        yield from _untyped(plan)
        yield from _state_complaints(plan)


def _missing(plan: Plan) -> Iterator[Complaint]:
    inputs, outputs = plan.header.inputs, plan.header.outputs
    named: list[tuple[tuple[str | int, ...], str, Iterable[str], str]] = [
        *((("states", name), name, inputs, "input") for name in plan.states),
        *((("states", name), text, outputs, "output") for name, text in plan.states.items()),
        *((("scan", place), name, inputs, "input") for place, name in enumerate(plan.scan)),
        *((("collect", place), name, outputs, "output") for place, name in enumerate(plan.collect)),
    ]
    named += [(("while",), plan.going, outputs, "output")] if plan.going is not None else []
    for path, name, known, what in named:
        if name not in known:
            yield Complaint(path, f"the graph has no {what} '{name}'", suggest(name, known, what=f"its {what}s"))


def _misused(plan: Plan) -> Iterator[Complaint]:
    inputs, outputs = plan.header.inputs, plan.header.outputs
    for place, name in enumerate(plan.scan):
        if name in plan.states:
            yield Complaint(("scan", place), f"'{name}' is a state already", "an input is a state, or scanned")
        if inputs[name].dtype == "string":
            yield Complaint(("scan", place), f"'{name}' is {inputs[name]}: text is not scanned")
    if not plan.scan and STEPS in {*inputs, *plan.header.defaults}:
        yield Complaint((), f"the graph has an input '{STEPS}', which is the part's own port", "export it otherwise")
    if not plan.states and not plan.collect:
        yield Complaint((), "a loop gives its states and what it collects: it has neither", "write states or collect")
    if plan.going is not None and plan.scan:
        message = "a loop over scanned inputs takes as many steps as they have"
        yield Complaint(("while",), message, "leave 'while' out, or 'scan'")
    elif plan.going is not None and (outputs[plan.going].dtype, outputs[plan.going].dims) not in _CONDITIONS:
        yield Complaint(("while",), f"'{plan.going}' is {outputs[plan.going]}, expected is bool[] or bool[1]")


def _untyped(plan: Plan) -> Iterator[Complaint]:
    inputs, outputs = plan.header.inputs, plan.header.outputs
    sliced: list[tuple[str, str | int, str, TensorType]] = [
        *(("scan", place, name, inputs[name]) for place, name in enumerate(plan.scan)),
        *(("collect", place, name, outputs[name]) for place, name in enumerate(plan.collect)),
    ]
    for key, place, name, type_ in (*sliced, *(("states", name, name, inputs[name]) for name in plan.states)):
        if type_.dtype not in PLAIN_DTYPES:
            yield Complaint((key, place), f"'{name}' is {type_}: a loop has no such states and frames")
    for _, _, name, type_ in sliced:
        if plan.axis and (type_.dims is None or plan.axis > len(type_.dims)):
            yield Complaint(("axis",), f"'{name}' is {type_}, which cannot be stacked along axis {plan.axis}")
    for name, type_ in plan.fixed().items() if plan.scan else ():
        if type_.dtype is None or not type_.is_tensor:
            yield Complaint((), f"the input '{name}' is {type_}: a loop over frames hands on tensors alone")


def _state_complaints(plan: Plan) -> Iterator[Complaint]:
    for name, following in plan.states.items():
        one, other = plan.header.inputs[name], plan.header.outputs[following]
        clash = one.dtype != other.dtype
        if one.dims is not None and other.dims is not None:
            clash |= len(one.dims) != len(other.dims)
            pairs = zip(one.dims, other.dims, strict=False)
            clash |= any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs)
        if clash:
            message = f"the state '{name}' is {one}, its next value '{following}' is {other}"
            yield Complaint(("states", name), message, "a state is what the next step is given")
