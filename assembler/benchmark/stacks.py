"""Measures a stack of exported files: ONNX Runtime on each file, one after the other, against the assembled file.

Each exported file has a session of its own, glue between them another, and a step of a loop or a branch is run as the
proof runs it. All sessions are in this process, after the files have run in a process of their own.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assembler.benchmark.hardware import Peak, describe, system_load
from assembler.benchmark.measured_model import Given
from assembler.benchmark.measuring import built
from assembler.benchmark.part_runs import model_run, part_runs
from assembler.flair_checkpoints.form import FORM
from assembler.isolation.scope import isolated
from assembler.onnx_model.sessions import kept_open
from assembler.passes.profiles import PROFILES
from assembler.proof.output_losses import RANDOM, measured
from assembler.proof.samples import proof_text
from assembler.proof.text_inputs import expressible, fixed_shapes
from assembler.proof.trial_cases import try_parts
from assembler.proof.value_gaps import value_gap
from assembler.surgery.emission import emit_parts
from assembler.surgery.stepwise import Stepwise
from assembler.workflows.fitting import wired_sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.benchmark.part_runs import Run
    from assembler.benchmark.results import Machine
    from assembler.core.arrays import RuntimeValue, RuntimeValues
    from assembler.core.values import Value
    from assembler.proof.trial_cases import Trial
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring
    from assembler.workflows.order import Progress

#: The name of the parts in the table.
PARTS = "parts"
#: The profiles that are measured unless others are named.
PROFILES_MEASURED = ("portable", "int8")
#: A lossy profile, for whose proof no extreme values are drawn: they would be measured too.
_WITHOUT_EXTREMES = "int8"
#: The seconds that a turn takes at least, the most runs in one, and the seconds before each.
_TURN, _MOST_RUNS, _PAUSE = 0.2, 2000, 0.3
#: The most sets of inputs.
_MOST_CASES = 8


@dataclass(frozen=True, slots=True)
class StackSpeed:
    """One way of running a stack, on one set of inputs.

    Attributes:
        name: `parts`, or the profile.
        batch: The set of inputs.
        runs_per_second: The speed of the fastest turn.
        ratio: How many times the speed of the parts, in this run: of the fastest turns.
        processor_ratio: The same ratio of the seconds that the cores were busy with it.
        median_ratio: As `ratio`, of the median turns.
        latency_median: Milliseconds for a run; half of them take longer.
        latency_p95: The same for one in twenty.
        outputs: How the outputs compare with those of the parts, in words.
        differs: Whether they differ by more than the profile may let them.
    """

    name: str
    batch: str
    runs_per_second: float
    ratio: float
    processor_ratio: float
    median_ratio: float
    latency_median: float
    latency_p95: float
    outputs: str
    differs: bool


@dataclass(frozen=True, slots=True)
class StackReport:
    """A whole benchmark of a stack.

    Attributes:
        machine: Where.
        speeds: Each way on each set of inputs.
        sizes: The bytes of the parts' files together, and of each model.
        notes: How the inputs were found.
        left_out: Profiles that were refused, and why.
    """

    machine: Machine
    speeds: tuple[StackSpeed, ...]
    sizes: Mapping[str, int]
    notes: tuple[str, ...]
    left_out: Mapping[str, str]

    def as_dict(self) -> dict[str, Value]:
        """Return the record that `--format json` prints."""
        record: dict[str, Value] = asdict(self)
        return record


@dataclass(slots=True)
class _Turns:
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    each: list[list[float]] = field(default_factory=list)


def is_stack(spec: Spec) -> bool:
    """Return whether a spec has no source of flair, so that its parts are what it is measured against."""
    return all(source.form != FORM.name for source in spec.sources.values())


def measure_stack(
    spec: Spec | Given,
    *,
    profiles: Sequence[str] = PROFILES_MEASURED,
    rounds: int = 3,
    trust: bool = False,
    progress: Progress | None = None,
) -> StackReport:
    """Build a spec in several profiles, prove each, and measure them against their parts.

    Args:
        spec: The spec; or a model that was built from one, which is measured as it is.
        profiles: The profiles.
        rounds: The turns that each way takes.
        trust: Whether object pickles, which can run code, may be read.
        progress: Called at the beginning of each step.

    Returns:
        The parts and the models, on the inputs of the proof: its cases, its sizes, or those that the parts accept. Only
        ratios within one run mean anything.

    Raises:
        SpecError, SourceError, ModelError: As `assemble`. A profile whose proof fails is left out, and the report says
            why.
    """
    say = progress or (lambda _: None)
    load = system_load()
    read = spec.spec if isinstance(spec, Given) else spec
    say("running the parts one by one")
    with isolated():
        wiring, sources = wired_sources(replace(read, profile=_WITHOUT_EXTREMES), trust=trust)
        stepwise = Stepwise(wiring, emit_parts(wiring))
        cases, notes = _cases(wiring, sources, stepwise)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as here:
        targets, left_out = _targets(spec, Path(folder), profiles, say, trust=trust)
        here.enter_context(kept_open())
        # glue was opened in the process that has ended: another `Stepwise` opens it here
        ways = {PARTS: part_runs(wiring, Stepwise(wiring, stepwise.fragments))}
        ways |= {name: model_run(target, "the assembled model") for name, target in targets.items()}
        peak, speeds = Peak(1024), []
        for name, trial in cases:
            say(f"measuring {name}")
            speeds += _measured(wiring.spec, ways, (name, trial), rounds, peak)
        sizes = {PARTS: sum(_size(read.folder / source.location) for source in read.sources.values())}
        sizes |= {name: _size(target) for name, target in targets.items()}
    return StackReport(describe(peak.operations, load), tuple(speeds), sizes, notes, left_out)


def _targets(
    spec: Spec | Given, folder: Path, profiles: Sequence[str], say: Progress, *, trust: bool
) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the model of each profile, and why the others are left out."""
    if isinstance(spec, Given):
        return {spec.profile: spec.path}, {}
    return built(spec, folder, profiles, say, trust=trust)


def _cases(wiring: Wiring, sources: OpenSources, stepwise: Stepwise) -> tuple[list[tuple[str, Trial]], tuple[str, ...]]:
    """Return the sets of inputs that differ in their shapes, each with what it is called."""
    shapes = fixed_shapes(wiring, sources)
    text = proof_text(wiring.spec, lambda given: expressible(wiring, shapes, given))
    trials = try_parts(wiring, sources, text.sentences, stepwise, counted=False)
    found: dict[tuple[tuple[int, ...], ...], tuple[str, Trial]] = {}
    for trial in trials.cases:
        sizes = tuple(_shape(value) for value in trial.inputs.values())
        named = ", ".join(f"{name} {list(size)}" for name, size in zip(trial.inputs, sizes, strict=True))
        name = named if "dynamic dims" in trial.name or "random values" in trial.name else trial.name
        found.setdefault(sizes, (name, trial))
    return list(found.values())[:_MOST_CASES], trials.notes


def _shape(value: RuntimeValue) -> tuple[int, ...]:
    """Return the shape of a tensor, or the number of tensors that a sequence holds, and the sizes of the first."""
    if isinstance(value, list | tuple):
        return (len(value), *(_shape(value[0]) if value else ()))
    return value.shape if isinstance(value, np.ndarray) else ()


def _size(path: Path) -> int:
    """Return the bytes of a file and of external data beside it, by the name that exporters and we give it."""
    beside = {*path.parent.glob(f"{path.name}[._-]*data*"), *path.parent.glob(f"{path.stem}-*.weights")}
    beside |= {*path.parent.glob(f"{path.stem}.data")}
    return sum(each.stat().st_size for each in (path, *sorted(beside)) if each.is_file())


def _measured(
    spec: Spec, ways: Mapping[str, Run], case: tuple[str, Trial], rounds: int, peak: Peak
) -> list[StackSpeed]:
    """Let each way run in turn, so that other load of the machine affects all of them alike."""
    label, trial = case
    turns = {name: _Turns() for name in ways}
    given = {name: run(trial.inputs) for name, run in ways.items()}  # the first run is slower, and is no turn
    begin = time.perf_counter()
    ways[PARTS](trial.inputs)
    runs = max(3, min(_MOST_RUNS, math.ceil(_TURN / max(time.perf_counter() - begin, 1e-6))))
    for _ in range(rounds):
        peak.measure()
        for name, run in ways.items():
            time.sleep(_PAUSE)
            seconds, busy = [], time.process_time()
            for _ in range(runs):
                begin = time.perf_counter()
                run(trial.inputs)
                seconds.append(time.perf_counter() - begin)
            turns[name].seconds.append(sum(seconds))
            turns[name].processor.append(time.process_time() - busy)
            turns[name].each.append(seconds)
    return [_speed((name, label), turns, runs, _compared(spec, name, given)) for name in ways]


def _speed(names: tuple[str, str], turns: Mapping[str, _Turns], runs: int, compared: tuple[str, bool]) -> StackSpeed:
    own, parts = turns[names[0]], turns[PARTS]
    fastest = own.each[own.seconds.index(min(own.seconds))]
    return StackSpeed(
        *names,
        runs_per_second=runs / min(own.seconds),
        ratio=min(parts.seconds) / min(own.seconds),
        processor_ratio=min(parts.processor) / max(min(own.processor), 1e-9),
        median_ratio=statistics.median(parts.seconds) / statistics.median(own.seconds),
        latency_median=1000 * statistics.median(fastest),
        latency_p95=1000 * sorted(fastest)[math.ceil(0.95 * len(fastest)) - 1],
        outputs=compared[0],
        differs=compared[1],
    )


def _compared(spec: Spec, name: str, given: Mapping[str, RuntimeValues]) -> tuple[str, bool]:
    """Return how the outputs of a way compare with those of the parts, and whether they differ by too much."""
    within, source, model = spec.proof.scores_within, given[PARTS], given[name]
    gaps = [value_gap(output, source[output], model[output], within) for output in source]
    wrong = [gap for gap in gaps if gap.differs]
    if not wrong:
        return "equal", False
    if name not in PROFILES or not PROFILES[name].lossy:
        return f"DIFFERENT: {'; '.join(map(str, wrong))}", True
    losses = measured(replace(spec, profile=name), [(RANDOM, source, model)], 0).outputs
    # whole numbers of one small run can show no share: the proof has counted enough of them
    apart = [loss for loss in losses if not (loss.kept or loss.counted)]
    words = ", ".join(f"{loss.name} {loss.changed:.2%}" + (" of its values" if loss.counted else "") for loss in losses)
    return (f"DIFFERENT, above the budget: {words}" if apart else f"changed: {words}"), bool(apart)
