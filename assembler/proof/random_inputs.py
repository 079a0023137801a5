"""Makes inputs for stacks without a tagger: sentences if the wiring says what an input means, else random values."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.passes.profiles import PROFILES
from assembler.proof.drawn_values import drawn_value
from assembler.proof.text_inputs import declared_shapes
from assembler.runtime.context import in_context
from assembler.runtime.shapes import MOST_VALUES, FixedShapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array, RuntimeValue
    from assembler.runtime.fill.rule import Encoded
    from assembler.runtime.interface import Interface
    from assembler.spec.stack_spec import Input, Spec

#: Sizes for dynamic dims that no sentence fixes: the smallest, an odd one, a larger one.
_SIZES = (1, 5, 33)
#: Values that arithmetic treats specially. They are put among the random ones.
_EDGES = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e4)
#: How many numbers use as much memory as a text of one word.
_TEXT = 16
#: The most tensors of a sequence that is drawn.
_TENSORS = 3


def require_room(spec: Spec) -> None:
    """Refuse inputs whose fixed sizes ask for more values than a proof fills.

    Raises:
        SpecError: They ask for more (W025).
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
    """Return how many values an input has. A text counts as several, because it needs as much memory."""
    tensors = 1 if entry.type.is_tensor else _TENSORS
    return tensors * math.prod(shape) * (_TEXT if entry.type.element == "string" else 1)


def proof_inputs(
    spec: Spec,
    interface: Interface | None,
    sentences: Sequence[Sequence[str]],
    first: int = 0,
    count: int | None = None,
) -> Iterator[tuple[str, dict[str, RuntimeValue]]]:
    """Yield named sets of inputs: several batch shapes for text, several sizes for everything else.

    If there are so many dims that a size would need too much memory, a smaller one is used. Sizes in the spec are used
    one after another, each at least once.

    Args:
        spec: The spec.
        interface: What is known of the inputs that a host fills from text, or `None` if there are none.
        sentences: The sentences, without empty tokens.
        first: The number of the first set; each has values of its own.
        count: How many sets; by default as many as there are sizes.

    Raises:
        SpecError: Even the smallest size is too large (W025).
    """
    told = spec.proof.trials.sizes
    rounds = max([len(_SIZES), *map(len, told.values())])
    for case in range(first, first + (rounds if count is None else count)):
        most = _SIZES[case % len(_SIZES)]
        batch = sentences[:most] if most > 1 else sentences[case : case + 1]
        arrays: dict[str, Array] = {}
        if interface is not None:
            texts = _texts(spec, interface, batch)
            arrays.update({name: array for name, array in texts.items() if spec.inputs[name].range is None})
        dims = {name: sizes[case % len(sizes)] for name, sizes in told.items()}
        for name, array in arrays.items():
            dims.update(zip((str(dim) for dim in spec.inputs[name].type.dims or ()), array.shape, strict=True))
        yield _case(spec, arrays, dims, most, case)


def sized_inputs(spec: Spec, sizes: Mapping[str, int], case: int) -> dict[str, RuntimeValue]:
    """Return random values for inputs none of which is filled from text, with a size for each dim.

    Raises:
        SpecError: They are too many (W025).
    """
    return _case(spec, {}, dict(sizes), 1, case)[1]


def _case(
    spec: Spec, arrays: dict[str, Array], dims: Mapping[str, int], most: int, case: int
) -> tuple[str, dict[str, RuntimeValue]]:
    """Return a set of inputs with its name: what is filled from text, and random values for the others."""
    free = {name: entry for name, entry in spec.inputs.items() if name not in arrays}
    sizes = range(most, 1, -1)
    size = next((each for each in sizes if sum(_values(free, dims, each).values()) <= MOST_VALUES), 1)
    _require_few(_values(free, dims, size), spec)
    # one value of 1e4 leaves no steps of int8 for the others, and overflows half precision
    edges = () if PROFILES[spec.profile].lossy else _EDGES
    filled: dict[str, RuntimeValue] = dict(arrays)
    for name, entry in free.items():
        shape = _shape(entry, dims, size)
        filled[name] = drawn_value(entry, shape, case, spec.proof.trials.inputs.get(name), edges)
    told = [name for name in spec.proof.trials.sizes if name in dims]
    words = ", ".join(f"{name} {dims[name]}" for name in told) or f"dynamic dims of {size}"
    if not any(isinstance(dim, str) for entry in spec.inputs.values() for dim in entry.type.dims or ()):
        words = f"random values {case + 1}"
    return words, {name: filled[name] for name in spec.inputs}


def _texts(spec: Spec, interface: Interface, batch: Sequence[Sequence[str]]) -> dict[str, Encoded]:
    """Return the inputs that are filled from text, of as many of the sentences as a run takes."""
    shapes = FixedShapes.declared(interface, declared_shapes(spec), spec.name)
    found = list(in_context(map(tuple, batch[: shapes.most(len(batch))]), interface.context))
    return shapes.filled(shapes.whole(found))


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
