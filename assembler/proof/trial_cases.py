"""Cases for the parts of a stack, and the outputs of the parts, one after another.

The cases are those that the spec names, and random values. A part may refuse the sizes of random values, for example
because an exporter has left a dim open that must be a multiple of 32, or larger than one. Then other sizes are tried.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TYPE_CHECKING, cast

from assembler.core.errors import ModelError, SpecError
from assembler.passes.profiles import PROFILES
from assembler.proof.given_cases import given_cases
from assembler.proof.interval import fewest
from assembler.proof.likely_values import likely_values
from assembler.proof.output_losses import allowed_loss
from assembler.proof.random_inputs import proof_inputs, sized_inputs
from assembler.proof.text_inputs import text_interface
from assembler.proof.tried_values import with_tried
from assembler.proof.value_gaps import arrays_of
from assembler.proof.whole_model import whole_model

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from assembler.core.arrays import Arrays, RuntimeValue, RuntimeValues
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.surgery.stepwise import Stepwise
    from assembler.weights.protocol import Weights
    from assembler.wiring.graph import Wiring

#: Sizes that exported models are often made for.
_USUAL = (2, 3, 4, 8, 16, 32, 64, 128, 224, 256, 320, 416, 512, 640)
#: The most sets of sizes that are tried, and how many that work are enough.
_MOST_TRIED, _ENOUGH = 64, 3
#: The most sets of random values for a lossy profile, beyond the usual ones.
_MOST_DRAWN = 64
#: What parts answer to what they cannot compute with: an error, or another shape than their file says. While others are
#: looked for it may be the end of their process, which at first is told.
_ERRORS, _ENDS = frozenset({"M007", "M029"}), frozenset({"M007", "M025", "M029"})


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One set of inputs.

    Attributes:
        name: What it is called.
        inputs: The inputs of the model.
        values: What flows between the parts, by `node.port`.
        expected: The outputs that a person expects.
        whole: Some outputs of the whole model that the spec names as the reference.
    """

    name: str
    inputs: RuntimeValues
    values: RuntimeValues
    expected: Arrays
    whole: RuntimeValues


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """All sets of inputs, and what is said of how they were found.

    Attributes:
        cases: The sets of inputs, those that the spec names first.
        notes: What is said of the others.
        given: How many the spec names.
    """

    cases: tuple[Trial, ...]
    notes: tuple[str, ...] = ()
    given: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """What is run on each set of inputs: the parts, one after the other, and the whole model, if there is one."""

    stepwise: Stepwise
    whole: Weights | None

    def trial(self, name: str, inputs: RuntimeValues, expected: Arrays | None = None) -> Trial:
        """Run them.

        Raises:
            ModelError: One does not run on the inputs (M007, M025 to M027, M029).
        """
        values = {**inputs, **dict(self.stepwise.run(inputs))}
        given = None if self.whole is None else self.whole.run(cast("Arrays", inputs))
        return Trial(name, inputs, values, expected or {}, given or {})


def try_parts(
    wiring: Wiring,
    sources: OpenSources,
    sentences: Sequence[Sequence[str]],
    stepwise: Stepwise,
    *,
    counted: bool = True,
) -> Trials:
    """Run the parts on everything that a proof tries; `counted` says whether a lossy profile's budget is to be shown.

    Raises:
        SpecError: The cases of the spec are at fault (W026), or inputs are too large (W025).
        ModelError: The parts run on none of it (M007, M025 to M027).
    """
    spec = wiring.spec
    runs = Runs(stepwise, whole_model(wiring, sources))
    given = [runs.trial(case.words, case.inputs, case.expected) for case in given_cases(spec)]
    interface = text_interface(wiring, sources)
    found: list[Trial] = []
    refused: list[tuple[str, ModelError]] = []
    for number, (name, inputs) in enumerate(proof_inputs(spec, interface, sentences)):
        try:
            found.append(runs.trial(name, with_tried(wiring, inputs, number)))
        except ModelError as err:
            if spec.proof.trials.sizes or interface is not None or not _is_refusal(err, _ERRORS):
                raise
            refused.append((name, err))
    if found or not refused:
        notes = tuple(f"refused by the parts, and left out: {name}" for name, _ in refused)
        found += _more(wiring, runs, found) if counted and interface is None and not refused else []
        return Trials((*given, *found), notes, len(given))
    found, notes = _looked_for(wiring, runs)
    if found:
        return Trials((*given, *found), notes, len(given))
    if given:
        said = f"random values were refused by the parts: {_first(refused[0][1])}"
        return Trials(tuple(given), (said,), len(given))
    raise _with_hint(spec, refused[-1][1])


def _more(wiring: Wiring, runs: Runs, found: Sequence[Trial]) -> Iterator[Trial]:
    """Yield further random values while an output of a lossy profile has too few values to be counted.

    An output of floats needs no more of them.
    """
    spec, counts = wiring.spec, dict.fromkeys(wiring.spec.outputs, 0)
    if not PROFILES[spec.profile].lossy:
        return
    for trial in found:
        _count(spec, trial, counts)
    wanted = {name: fewest(allowed_loss(spec, name, counted=True)) for name, count in counts.items() if count}
    first = len(found)
    for number, (name, inputs) in enumerate(proof_inputs(spec, None, (), first, _MOST_DRAWN)):
        if all(counts[output] >= least for output, least in wanted.items()):
            return
        trial = runs.trial(name, with_tried(wiring, inputs, first + number))
        _count(spec, trial, counts)
        yield trial


def _count(spec: Spec, trial: Trial, counts: dict[str, int]) -> None:
    """Add the values of a run that are counted where they differ."""
    for name, output in spec.outputs.items():
        for _, array in arrays_of(name, trial.values[output.reference.text]):
            counts[name] += array.size if array.dtype.kind in "OUSbiu" else 0


def _is_refusal(err: ModelError, codes: Collection[str]) -> bool:
    return {problem.code for problem in err.problems} <= set(codes)


def _first(err: ModelError) -> str:
    return err.problems[0].message.partition("\n")[0]


def _looked_for(wiring: Wiring, runs: Runs) -> tuple[list[Trial], tuple[str, ...]]:
    """Return inputs that the parts accept."""
    found: list[Trial] = []
    tried = 0
    for words, inputs in islice(_guesses(wiring, _example_sizes(runs.stepwise)), _MOST_TRIED):
        tried += 1
        try:
            found.append(runs.trial(words, with_tried(wiring, inputs, tried)))
        except ModelError as err:
            if not _is_refusal(err, _ENDS):
                raise
        if len(found) == _ENOUGH:
            break
    said = "; ".join(trial.name for trial in found)
    notes = (f"inputs that the parts accept were looked for, and found: {said} ({tried} tried)",) if found else ()
    return found, notes


def _guesses(wiring: Wiring, examples: Sequence[int]) -> Iterator[tuple[str, dict[str, RuntimeValue]]]:
    """Yield inputs of other sizes, then some of those with likely values for shapes, counts, axes and scales."""
    spec = wiring.spec
    outputs = [wiring.tensors[output.reference.text] for output in spec.outputs.values()]
    sizes = [*_sizes(spec, examples)]
    for number, each in enumerate(sizes[: _MOST_TRIED // 2]):
        with suppress(SpecError):  # too much for a proof
            yield _sizes_in_words(each), sized_inputs(spec, each, number)
    for number, each in enumerate(sizes[:_ENOUGH] or [{}]):
        with suppress(SpecError):
            random = sized_inputs(spec, each, number)
            for values in likely_values(spec, outputs, random):
                said = ", ".join(f"{name} {array.tolist()!r:.60}" for name, array in values.items())
                yield ", ".join(filter(None, (_sizes_in_words(each), said))), {**random, **values}


def _sizes_in_words(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size}" for name, size in sizes.items())


def _sizes(spec: Spec, examples: Sequence[int]) -> Iterator[dict[str, int]]:
    """Yield sizes for the dims of the inputs, the likeliest first, none twice."""
    dims = list(
        dict.fromkeys(dim for entry in spec.inputs.values() for dim in entry.type.dims or () if isinstance(dim, str))
    )
    if not dims:
        return
    usual = list(dict.fromkeys([*examples, *_USUAL]))
    seen: set[tuple[int, ...]] = set()
    mixed = product(*[examples[:4] or _USUAL[:4]] * len(dims)) if len(dims) <= _ENOUGH else iter(())
    guesses = [
        *([size] * len(dims) for size in usual),
        *([first, *[size] * (len(dims) - 1)] for size in usual for first in (1, 2)),
    ]
    for guess in (*map(tuple, guesses), *mixed):
        if guess not in seen:
            seen.add(guess)
            yield dict(zip(dims, guess, strict=True))


def _example_sizes(stepwise: Stepwise) -> list[int]:
    """Return the sizes that the exporters of the parts have written down, the most frequent first."""
    counts: dict[int, int] = {}
    for fragment in stepwise.fragments.values():
        for info in fragment.graph.value_info:
            for dim in info.type.tensor_type.shape.dim:
                if dim.dim_value > 1:
                    counts[dim.dim_value] = counts.get(dim.dim_value, 0) + 1
    return sorted(counts, key=lambda size: (-counts[size], size))[:8]


def _open_dims(spec: Spec) -> list[str]:
    dims = (dim for entry in spec.inputs.values() for dim in entry.type.dims or ())
    return list(dict.fromkeys(dim for dim in dims if isinstance(dim, str)))


def _with_hint(spec: Spec, err: ModelError) -> ModelError:
    """Return the error with what to write so that the parts can be run."""
    dims = _open_dims(spec)
    lines = [f"sizes: {{{', '.join(f'{dim}: 32' for dim in dims)}}}"] if dims else []
    lines.append(f"inputs: {{{next(iter(spec.inputs))}: {{range: [0, 1]}}}}")
    hint = f"tell the proof what the parts can compute with: proof: {{{', '.join(lines)}}}, or cases: file.npz"
    return ModelError(*(replace(problem, hint=hint) for problem in err.problems))
