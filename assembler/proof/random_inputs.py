"""Inputs for stacks without a tagger: sentences where the wiring says what an input means, random values elsewhere."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.runtime.encoding import encode
from assembler.runtime.shapes import MOST_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.runtime.interface import Interface
    from assembler.spec.model import Input, Spec

#: Sizes for dynamic dims that no sentence fixes: the smallest, an odd one, a larger one.
_SIZES = (1, 5, 33)
#: Values that arithmetic treats specially, put among the random ones.
_EDGES = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e4)
#: As many numbers a text of one word takes the memory of.
_TEXT = 16


def require_room(spec: Spec) -> None:
    """Refuse inputs whose fixed sizes ask for more values than a proof fills.

    Raises:
        SpecError: They do (W025).
    """
    _require_few(
        {
            name: _cost(entry, tuple(dim for dim in entry.type.dims or () if isinstance(dim, int)))
            for name, entry in spec.inputs.items()
        },
        spec,
    )


def _require_few(values: Mapping[str, int], spec: Spec) -> None:
    whole = sum(values.values())
    if whole > MOST_VALUES:
        largest = max(values, key=values.__getitem__)
        message = f"proof: the sizes of the inputs ask for {whole:,} values, most of them in '{largest}'"
        hint = f"a proof fills at most {MOST_VALUES:,}: give smaller sizes, or names for dims"
        raise SpecError(Problem.at(spec.inputs[largest].mark, "W025", message, hint))


def _cost(entry: Input, shape: tuple[int, ...]) -> int:
    """Return how many values an input has; a text stands for several, for it takes as much memory."""
    return math.prod(shape) * (_TEXT if entry.type.dtype == "string" else 1)


def proof_inputs(
    spec: Spec, interface: Interface | None, sentences: Sequence[Sequence[str]]
) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield named sets of inputs: several batch shapes for text, several sizes for everything else.

    Where dims are so many that a size would ask for too much memory, it is a smaller one.

    Args:
        spec: The spec.
        interface: What is known of the inputs that a host fills from text, or `None` if there are none.
        sentences: The sentences, without empty tokens.

    Raises:
        SpecError: The smallest size is too much still (W025).
    """
    for case, most in enumerate(_SIZES):
        batch = sentences[:most] if most > 1 else sentences[case : case + 1]
        arrays: dict[str, Array] = {}
        if interface is not None:
            texts = encode(interface, batch)
            arrays.update({name: array for name, array in texts.items() if spec.inputs[name].range is None})
        dims: dict[str, int] = {}
        for name, array in arrays.items():
            dims.update(zip((str(dim) for dim in spec.inputs[name].type.dims or ()), array.shape, strict=True))
        free = {name: entry for name, entry in spec.inputs.items() if name not in arrays}
        sizes = range(most, 1, -1)
        size = next((each for each in sizes if sum(_values(free, dims, each).values()) <= MOST_VALUES), 1)
        _require_few(_values(free, dims, size), spec)
        for name, entry in free.items():
            arrays[name] = _random(entry, _shape(entry, dims, size), case)
        yield f"dynamic dims of {size}", {name: arrays[name] for name in spec.inputs}


def _values(inputs: Mapping[str, Input], dims: Mapping[str, int], size: int) -> dict[str, int]:
    """Return how many values each input has."""
    return {name: _cost(entry, _shape(entry, dims, size)) for name, entry in inputs.items()}


def _shape(entry: Input, dims: Mapping[str, int], size: int) -> tuple[int, ...]:
    """Return the sizes of an input; dims of different names get different sizes, so that a mix-up shows."""
    sizes = []
    for dim in entry.type.dims or ():
        if isinstance(dim, int):
            sizes.append(dim)
        else:
            own = int(hashlib.sha256(str(dim).encode()).hexdigest(), 16) % 4
            sizes.append(dims.get(str(dim), size if size == 1 else size + own))
    return tuple(sizes)


def _random(entry: Input, shape: tuple[int, ...], case: int) -> Array:
    """Return values that are the same on every day: seeded by the input's name."""
    seed = int(hashlib.sha256(f"{entry.name}:{case}".encode()).hexdigest()[:16], 16)
    draw = np.random.default_rng(seed)
    dtype = entry.type.dtype or "float32"
    low, high = entry.range or (0, 1)
    if dtype == "string":
        return np.array(
            [f"text {value}" for value in draw.integers(low, high, shape, endpoint=True).flat], object
        ).reshape(shape)
    if dtype.startswith("float"):
        values = draw.uniform(low, high, shape) if entry.range else draw.standard_normal(shape)
        if not entry.range:
            values.flat[: len(_EDGES)] = _EDGES[: values.size]
        return np.asarray(values, dtype=dtype)
    width = np.uint64 if dtype == "uint64" else np.int64
    return draw.integers(low, high, shape, dtype=width, endpoint=True).astype(dtype)
