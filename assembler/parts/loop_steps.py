"""A loop without an operator for it: its graph is run once for each step. This is what a proof compares with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.parts.loop_plan import STEPS, Plan

if TYPE_CHECKING:
    from assembler.core.arrays import Array, Arrays
    from assembler.weights.protocol import Weights


def run_steps(plan: Plan, weights: Weights, inputs: Arrays) -> dict[str, Array]:
    """Return the last value of each state, and what was collected."""
    fixed = {name: inputs[name] for name in plan.fixed() if name in inputs}
    states = {name: inputs[name] if name in inputs else zeros(plan, name) for name in plan.states}
    rows: dict[str, list[Array]] = {name: [] for name in plan.collect}
    for step in range(_most(plan, inputs)):
        slices = {name: np.take(inputs[name], step, axis=plan.axis) for name in plan.scan}
        given = _step(weights, {**fixed, **states, **slices})
        states = {name: given[following] for name, following in plan.states.items()}
        for name, found in rows.items():
            found.append(given[name])
        if plan.going is not None and not np.all(given[plan.going]):
            break
    if plan.collect and not rows[plan.collect[0]]:
        return {**states, **_nothing(plan, weights, {**fixed, **states}, inputs)}
    return {**states, **{name: np.stack(found, axis=plan.axis) for name, found in rows.items()}}


def _step(weights: Weights, fed: Arrays) -> dict[str, Array]:
    """Run the graph once; what it gives beside tensors, no loop reads."""
    return {name: value for name, value in (weights.run(fed) or {}).items() if isinstance(value, np.ndarray)}


def _most(plan: Plan, inputs: Arrays) -> int:
    return inputs[plan.scan[0]].shape[plan.axis] if plan.scan else int(inputs[STEPS])


def zeros(plan: Plan, state: str) -> Array:
    """Return the first value of a state that nothing feeds."""
    type_ = plan.header.inputs[state]
    return np.zeros([dim for dim in type_.dims or () if isinstance(dim, int)], type_.dtype)


def _nothing(plan: Plan, weights: Weights, fed: Arrays, inputs: Arrays) -> dict[str, Array]:
    """Return what is collected in no step: a step tells its shape, of frames one on zeros."""
    slices = {name: np.zeros(np.delete(inputs[name].shape, plan.axis), inputs[name].dtype) for name in plan.scan}
    given = _step(weights, {**fed, **slices})
    return {name: _stacked(given[name], plan) for name in plan.collect}


def _stacked(row: Array, plan: Plan) -> Array:
    return np.stack([row], axis=plan.axis).take([], axis=plan.axis).astype(row.dtype)
