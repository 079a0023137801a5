"""The operators of a loop: `Scan` over frames, else `Loop`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.parts.loop_plan import STEPS, Plan
from assembler.parts.loop_steps import zeros
from assembler.parts.nested_graph import fragment_of, lifted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.core.tensors import TensorType
    from assembler.onnx_model.emitter import Body, Emitter
    from assembler.weights.protocol import Weights


def emit_loop(plan: Plan, weights: Weights, emit: Emitter) -> None:
    """Emit a loop."""
    loop = _Loop(plan, weights, emit, emit.names.scope("loop"))
    if plan.scan:
        loop.scan()
    else:
        loop.count()


@dataclass(frozen=True, slots=True)
class _Loop:
    plan: Plan
    weights: Weights
    emit: Emitter
    name: str

    def scan(self) -> None:
        """Emit a loop over frames.

        ONNX Runtime runs no `Scan` of no step. So where there is no frame, one of zeros is put in, and what it gives is
        taken out.
        """
        emit, plan, inputs = self.emit, self.plan, self.plan.header.inputs
        frames = {name: self._turned(emit.input(name), inputs[name], name) for name in plan.scan}
        count, none = self._count(frames[plan.scan[0]])
        scanned = [self._filled(tensor, none, name) for name, tensor in frames.items()]
        body, initial, fixed = emit.body(self.name), self._initial(), self._fixed()
        fed = {name: body.argument(name, *_typed(inputs[name])) for name in initial}
        kept = {name: body.argument(name, *_typed(plan.fixed()[name])) for name in fixed}
        slices = {name: body.argument(name, *_typed(inputs[name])) for name in plan.scan}
        given = self._step(body, {**fed, **kept, **slices})
        self._states(body, given)
        for name, tensor in kept.items():
            body.result(body.op("Identity", [tensor], f"kept/{name}"), *_typed(plan.fixed()[name]))
        self._rows(body, given)
        found = emit.scan(body, [*initial.values(), *fixed.values()], scanned, collected=[False] * len(plan.collect))
        for (name, before), after in zip(initial.items(), found, strict=False):
            emit.output(name, self._last(name, before, after, none))
        zero = self._integers("zero", 0)
        for name, tensor in zip(plan.collect, found[len(initial) + len(fixed) :], strict=True):
            real = emit.op("Slice", [tensor, zero, count, zero], self._called("real", name))
            emit.output(name, self._back(real, plan.header.outputs[name], name))

    def count(self) -> None:
        """Emit a loop of so many steps, or fewer where an output of the graph ends it.

        Of no step, ONNX gives rows whose unknown sizes are 0. So where rows are collected, one step is taken then, and
        what it gives is taken out.
        """
        emit, plan = self.emit, self.plan
        going = emit.initializer(self._called("going"), np.asarray(True))  # noqa: FBT003 - the value of a tensor
        body, initial = emit.body(self.name), self._initial()
        body.argument("outside/step", "int64", 0)
        before = body.argument("outside/on", "bool", 0)
        fed = {name: body.argument(name, *_typed(plan.header.inputs[name])) for name in initial}
        given = self._step(body, {**fed, **self._fixed()})
        after = given[plan.going] if plan.going is not None else before
        if plan.going is not None and plan.header.outputs[plan.going].dims:
            after = body.op("Squeeze", [after, self._integers("zero", 0)], "going/one")
        body.result(body.op("Identity", [after], "going/on"), "bool", 0)
        self._states(body, given)
        self._rows(body, given)
        count = len(initial) + len(plan.collect)
        steps = emit.input(STEPS)
        most = emit.op("Max", [steps, self._number("least", 1)], self._called("most")) if plan.collect else steps
        found = emit.ops("Loop", [most, going, *initial.values()], self.name, count, body=body.graph())
        last = self._begun(initial, found[: len(initial)], steps) if plan.collect else found
        for name, tensor in zip(initial, last, strict=False):
            emit.output(name, tensor)
        if not plan.collect:
            return
        zero = self._integers("zero", 0)
        taken = emit.op("Max", [steps, self._number("none", 0)], self._called("taken"))
        end = emit.op("Unsqueeze", [taken, zero], self._called("end"))
        for name, tensor in zip(plan.collect, found[len(initial) :], strict=True):
            real = emit.op("Slice", [tensor, zero, end, zero], self._called("real", name))
            emit.output(name, self._back(real, plan.header.outputs[name], name))

    def _begun(self, initial: Mapping[str, str], last: Sequence[str], steps: str) -> list[str]:
        """Return the last value of each state, which is its first where there is no step."""
        if not initial:
            return []
        emit = self.emit
        any_ = emit.op("Greater", [steps, self._number("none", 0)], self._called("begun"))
        bodies = {}
        for key, tensors in (("then", last), ("else", [*initial.values()])):
            bodies[key] = emit.body(self._called(key))
            for name, tensor in zip(initial, tensors, strict=True):
                type_ = self.plan.header.inputs[name]
                value = bodies[key].op("Identity", [tensor], f"value/{name}")
                bodies[key].result(value, str(type_.dtype), None)
        graphs = {f"{key}_branch": body.graph() for key, body in bodies.items()}
        return emit.ops("If", [any_], self._called("picked"), len(initial), **graphs)

    def _number(self, what: str, value: int) -> str:
        """Return a whole number, which is made once."""
        name = self._called(f"number/{what}")
        return name if self.emit.names.is_taken(name) else self.emit.initializer(name, np.asarray(value, np.int64))

    def _called(self, what: str, port: str = "") -> str:
        """Return the name of what is around the body; nothing else in the part has it."""
        return f"{self.name}/outside/{what}/{port}" if port else f"{self.name}/outside/{what}"

    def _integers(self, what: str, *values: int) -> str:
        """Return a vector of integers, which is made once."""
        name = self._called(what)
        return name if self.emit.names.is_taken(name) else self.emit.integers(name, values)

    def _count(self, frames: str) -> tuple[str, str]:
        """Return how many frames there are, and how many have to be put in; int64 [1]."""
        shape = self.emit.op("Shape", [frames], self._called("shape"))
        zero, one = self._integers("zero", 0), self._integers("one", 1)
        count = self.emit.op("Slice", [shape, zero, one, zero], self._called("count"))
        none = self.emit.op("Equal", [count, zero], self._called("none"))
        return count, self.emit.op("Cast", [none], self._called("missing"), to=_INT64)

    def _last(self, name: str, before: str, after: str, none: str) -> str:
        """Return the last value of a state, which is its first where there is no frame."""
        emit, zero = self.emit, self._integers("zero", 0)
        both = [
            emit.op("Unsqueeze", [tensor, zero], self._called(what, name))
            for what, tensor in (("before", before), ("after", after))
        ]
        joined = emit.op("Concat", both, self._called("both", name), axis=0)
        which = emit.op("Sub", [self._integers("one", 1), none], self._called("which", name))
        picked = emit.op("Gather", [joined, which], self._called("picked", name), axis=0)
        return emit.op("Squeeze", [picked, zero], self._called("last", name))

    def _initial(self) -> dict[str, str]:
        """Return the tensor that each state begins with."""
        return {
            name: self.emit.input(name)
            if self.emit.inputs(name)
            else self.emit.initializer(self._called("initial", name), zeros(self.plan, name))
            for name in self.plan.states
        }

    def _fixed(self) -> dict[str, str]:
        return {name: self.emit.input(name) for name in self.plan.fixed() if self.emit.inputs(name)}

    def _step(self, body: Body, fed: Mapping[str, str]) -> dict[str, str]:
        """Put the graph into a body, and return the tensor that each of its outputs is."""
        fragment = fragment_of(self.weights, self.emit.opset, [*fed])
        nodes, given = lifted(self.emit, fragment, f"{self.name}/step", fed, fragment.opsets)
        body.nodes.extend(nodes)
        return given

    def _states(self, body: Body, given: Mapping[str, str]) -> None:
        for name, following in self.plan.states.items():
            type_ = self.plan.header.outputs[following]
            body.result(body.op("Identity", [given[following]], f"next/{name}"), *_typed(type_))

    def _rows(self, body: Body, given: Mapping[str, str]) -> None:
        for name in self.plan.collect:
            type_ = self.plan.header.outputs[name]
            sizes = None if type_.dims is None else [dim if isinstance(dim, int) else None for dim in type_.dims]
            body.result(body.op("Identity", [given[name]], f"row/{name}"), str(type_.dtype), sizes)

    def _filled(self, tensor: str, none: str, name: str) -> str:
        """Return frames with one of zeros behind them, where there is none."""
        from onnx import helper

        from assembler.onnx_model.type_protos import element_number

        emit = self.emit
        shape = emit.op("Shape", [tensor], self._called("sizes", name))
        bounds = [self._integers("one", 1), self._integers("end", 2**31 - 1), self._integers("zero", 0)]
        rest = emit.op("Slice", [shape, *bounds], self._called("size", name))
        whole = emit.op("Concat", [none, rest], self._called("missing", name), axis=0)
        zero = helper.make_tensor("zero", element_number(str(self.plan.header.inputs[name].dtype)), [1], [0])
        more = emit.op("ConstantOfShape", [whole], self._called("zeros", name), value=zero)
        return emit.op("Concat", [tensor, more], self._called("filled", name), axis=0)

    def _turned(self, tensor: str, type_: TensorType, name: str) -> str:
        """Return frames whose first axis is that of the steps."""
        axes = [*range(len(type_.dims or ()) + 1)]
        if not self.plan.axis:
            return tensor
        axes.insert(0, axes.pop(self.plan.axis))
        return self.emit.op("Transpose", [tensor], self._called("turned", name), perm=axes)

    def _back(self, tensor: str, type_: TensorType, name: str) -> str:
        """Return what was collected with the axis of the steps in its place."""
        axes = [*range(1, len(type_.dims or ()) + 1)]
        if not self.plan.axis:
            return tensor
        axes.insert(self.plan.axis, 0)
        return self.emit.op("Transpose", [tensor], self._called("back", name), perm=axes)


#: ONNX's number of int64.
_INT64 = 7


def _typed(type_: TensorType) -> tuple[str, int | None]:
    return str(type_.dtype), type_.rank
