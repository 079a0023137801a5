"""Compares what two models give where it may be no tensor: sequences and maps are compared element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from assembler.proof.stepwise_gaps import Gap, gap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.arrays import Array, RuntimeValue


def value_gap(tensor: str, source: RuntimeValue, model: RuntimeValue, within: float = 0.0) -> Gap:
    """Compare two values and return the gap between them, of sequences and maps that of the element farthest apart.

    Args:
        tensor: What they are called.
        source: The source's.
        model: The model's.
        within: How far floats may differ, in addition to the share of their size that their type allows (`tolerances`).
    """
    if isinstance(source, np.ndarray) and isinstance(model, np.ndarray):
        return gap(tensor, source, model, within)
    theirs, ours = _value_in_words(source), _value_in_words(model)
    if theirs != ours:
        return Gap(tensor, np.inf, (), theirs, ours, differs=True)
    gaps = [value_gap(*each, within) for each in _elements(tensor, source, model)]
    first = Gap(tensor, 0.0, (), theirs, ours, differs=False)
    return max(gaps, key=lambda entry: (entry.differs, entry.largest), default=first)


def _value_in_words(value: RuntimeValue) -> str:
    """Return what a value is, in words; two that are not alike in it are not compared further."""
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return "a tensor"
    if isinstance(value, dict):
        return f"a map of {sorted(value, key=str)!r:.200}"
    return f"a sequence of {len(value)}"


def _elements(name: str, source: RuntimeValue, model: RuntimeValue) -> Iterator[tuple[str, RuntimeValue, RuntimeValue]]:
    if isinstance(source, dict) and isinstance(model, dict):
        keys = sorted(source, key=str)
        if {*source} == {*model}:
            yield from ((f"{name}[{key!r}]", *_scalars(source[key], model[key])) for key in keys)
        else:
            yield name, np.array(len(keys)), None
    elif isinstance(source, list | tuple) and isinstance(model, list | tuple):
        yield from ((f"{name}[{place}]", *pair) for place, pair in enumerate(zip(source, model, strict=True)))


def _scalars(source: float | str, model: float | str) -> tuple[Array, Array]:
    """Return two values of maps, which have lost their types; of floats, maps hold float32 more often than not."""
    values = (source, model)
    narrow = all(isinstance(each, float) and (math.isnan(each) or float(np.float32(each)) == each) for each in values)
    one, other = (np.array(each, np.float32 if narrow else None) for each in values)
    return one, other


def arrays_of(name: str, value: RuntimeValue) -> Iterator[tuple[str, Array]]:
    """Yield the tensors of a value, each with what it is called."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from arrays_of(f"{name}[{place}]", each)
