"""Checks what a spec tells a proof to try: the dims and the inputs that it names, and the values it may draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.problems import Known, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.problems import Guesses
    from assembler.spec.stack_spec import Spec

#: The greatest values of the types of floating point.
_LARGEST_FLOATS = {
    "float16": 65504.0, "bfloat16": 3.3895e38, "float32": 3.4028234e38, "float64": 1.7976931e308,
    "float8e4m3fn": 448.0, "float8e4m3fnuz": 240.0, "float8e5m2": 57344.0, "float8e5m2fnuz": 57344.0,
}  # fmt: skip


def trials_problems(spec: Spec, guesses: Guesses) -> Iterator[Problem]:
    """Yield what is wrong with the sizes, ranges and values of a proof (W001, W011, W020)."""
    trials = spec.proof.trials
    dims = {dim for entry in spec.inputs.values() for dim in entry.type.dims or () if isinstance(dim, str)}
    known_dims = Known(dims)
    for name, sizes in trials.sizes.items():
        mark = spec.document.mark(("proof", "sizes", name))
        if name not in dims:
            hint = guesses.suggest(name, known_dims, what="dims of the inputs")
            yield Problem.at(mark, "W011", f"proof: no input has a dim '{name}'", hint)
        elif not sizes:
            yield Problem.at(mark, "W020", f"proof: no size of '{name}' is in its range", "write [least, greatest]")
    yield from _budget_problems(spec, guesses)
    known = Known(spec.inputs)
    for name, drawn in trials.inputs.items():
        mark = spec.document.mark(("proof", "inputs", name))
        if name not in spec.inputs:
            hint = guesses.suggest(name, known, what="inputs")
            yield Problem.at(mark, "W001", f"proof: there is no input '{name}'", hint)
            continue
        dtype = spec.inputs[name].type.element or "float32"
        if drawn.range is not None and drawn.values is not None:
            yield Problem.at(mark, "W020", f"proof: '{name}' has a range and values", "give one of them")
        if drawn.range is not None and drawn.range[0] > drawn.range[1]:
            message = f"proof: the range of '{name}' begins at {drawn.range[0]}, above its end, {drawn.range[1]}"
            yield Problem.at(mark, "W020", message, "write [least, greatest]")
        for value in (*(drawn.range or ()), *(drawn.values or ())):
            if not fits(dtype, value):
                yield Problem.at(mark, "W020", f"proof: '{name}' is {dtype}, which {value!r} cannot be")
                break


def _budget_problems(spec: Spec, guesses: Guesses) -> Iterator[Problem]:
    """Yield the outputs of a budget that the stack has not (W001)."""
    outputs = Known(spec.outputs)
    for name in spec.proof.outputs_changed:
        if name is not None and name not in spec.outputs:
            mark = spec.document.mark(("proof", "outputs_changed", name))
            hint = guesses.suggest(name, outputs, what="outputs")
            yield Problem.at(mark, "W001", f"proof: there is no output '{name}'", hint)


def fits(dtype: str, value: float | str | bool) -> bool:  # noqa: FBT001 - a value of a spec
    """Return whether a tensor of an element type can hold a value."""
    if dtype == "string" or isinstance(value, str):
        return dtype == "string" and isinstance(value, str)
    low, high = bounds(dtype)
    return low <= value <= high and (dtype in _LARGEST_FLOATS or value == int(value))


def bounds(dtype: str) -> tuple[float, float]:
    """Return the least and the greatest value of an element type; a random text is a word with a number."""
    if dtype in _LARGEST_FLOATS:
        return -_LARGEST_FLOATS[dtype], _LARGEST_FLOATS[dtype]
    if dtype == "bool":
        return 0, 1
    bits = 64 if dtype == "string" else int(dtype.lstrip("uint"))
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
