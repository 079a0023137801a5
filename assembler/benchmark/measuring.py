"""The benchmark: builds the profiles of a spec, and lets flair and each of them tag the same text in turns."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.benchmark.device import PROCESSOR
from assembler.benchmark.footprint import footprint
from assembler.benchmark.hardware import Peak, describe, system_load
from assembler.benchmark.results import Report, Speed
from assembler.benchmark.ways import compiled_ways, flair_source, flair_way, model_way, spread
from assembler.benchmark.work import operations, widest
from assembler.core.errors import ParityError
from assembler.description.source_tasks import source_tasks
from assembler.proof.samples import proof_sentences, read_sentences
from assembler.spec.reading import load_spec
from assembler.workflows.assembly import assemble
from assembler.workflows.fitting import wired_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.benchmark.device import Device
    from assembler.benchmark.device_peak import DevicePeak
    from assembler.benchmark.results import Footprint
    from assembler.benchmark.ways import Way
    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.proof.parity import TaggedTokens
    from assembler.spec.stack_spec import Spec
    from assembler.workflows.order import Progress

    Sentences = Sequence[list[str]]

FLAIR = "flair"
#: The number of processes for a footprint; the least figures count.
_PROCESSES = 3
#: Seconds before each turn: threads of the turn before still spin for a while, and take the cores.
_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class _Plan:
    """A comparison: its name, the size of the batches, the sentences."""

    label: str
    size: int | None
    sentences: Sentences


@dataclass(frozen=True, slots=True)
class _Turns:
    """The seconds of one way: for each turn, on the processor, and for each sentence tagged one at a time."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    each: list[list[float]] = field(default_factory=list)


def measure(
    path: Path | str,
    text: Path | None = None,
    *,
    profiles: Sequence[str] = ("portable", "cpu", "int8"),
    rounds: int = 3,
    one_at_a_time: int = 32,
    compiled: bool = False,
    trust: bool = False,
    device: Device = PROCESSOR,
    progress: Progress | None = None,
) -> Report:
    """Build a spec in several profiles, prove each, and measure them against flair's `predict`.

    Args:
        path: The spec, with a flair tagger as its reference.
        text: A file of sentences; by default those of the spec's proof.
        profiles: The profiles. `portable` also represents a plain export: ONNX's `LSTM`, batches sorted by tokens.
        rounds: The turns that each way takes.
        one_at_a_time: How many sentences are tagged one at a time.
        compiled: Whether flair is also measured with torch.compile and with TorchScript, which takes minutes more.
        trust: Whether object pickles, which can run code, may be read.
        device: The device for all of them; the proofs always run on the processor.
        progress: Called at the beginning of each step.

    Returns:
        flair and the models, in batches and one at a time. Only ratios within one run mean anything. On the processor
        flair runs in its own batches of 32, the models in the batches that are their default; on a GPU both run in
        each of the device's sizes.

    Raises:
        SpecError, SourceError, ModelError: As `assemble`; W019 if there is no tagger to compare with; T003 if the text
            cannot be read. A profile whose proof fails is left out, and the report says why.
        DeviceError: A model does not run on the device.
    """
    from assembler.runtime import Tagger

    say = progress or (lambda _: None)
    spec = load_spec(path)
    sentences = read_sentences(text) if text else proof_sentences(spec)
    load = system_load()
    wiring, sources = wired_sources(spec, trust=trust)
    source = flair_source(spec, source_tasks(wiring, sources)).moved(device.torch)
    ways: dict[str, Way] = {FLAIR: flair_way(source)}
    unfit: dict[str, str] = {}
    with device.full_float32(), tempfile.TemporaryDirectory() as folder:
        if compiled:
            say("compiling flair's layers with torch")
            more, unfit = compiled_ways(source, sentences)
            ways |= more
        targets, left_out = built(spec, Path(folder), profiles, say, trust=trust)
        say("measuring load time and memory")
        footprints = _footprints(spec, source, targets, sentences, (device, min(rounds, _PROCESSES)), trust=trust)
        for name, target in targets.items():
            ways[name] = model_way(Tagger(target, providers=device.providers), device)
        peak = _peak(widest(sources), device)
        speeds: list[Speed] = []
        for plan in _plans(device, sentences, one_at_a_time):
            say(f"measuring {plan.label}")
            speeds += _measured(ways, plan, (rounds, operations(sources, plan.sentences)), peak, device)
    machine = describe(peak.operations, load, device.accelerator())
    return Report(machine, len(sentences), tuple(speeds), footprints, {**unfit, **left_out})


def _footprints(
    spec: Spec,
    source: FlairSource,
    targets: dict[str, Path],
    sentences: Sentences,
    options: tuple[Device, int],
    *,
    trust: bool,
) -> tuple[Footprint, ...]:
    from assembler.benchmark.flair_footprint import flair_footprint

    device, processes = options
    flairs = flair_footprint(FLAIR, spec, source, sentences, device, processes=processes, trust=trust)
    ours = [footprint(name, target, sentences, device, processes=processes) for name, target in targets.items()]
    return (flairs, *ours)


def _peak(hidden: int, device: Device) -> Peak | DevicePeak:
    if device.torch == PROCESSOR.torch:
        return Peak(hidden)
    from assembler.benchmark.device_peak import DevicePeak

    return DevicePeak(hidden, device)


def _plans(device: Device, sentences: Sentences, one_at_a_time: int) -> list[_Plan]:
    """Return each batch size of the device, without those that would hold no more sentences than a smaller one."""
    plans: list[_Plan] = []
    for size in device.batches:
        if not any(plan.size is not None and plan.size >= len(sentences) for plan in plans):
            plans.append(_Plan("batches" if size is None else f"batches of {size}", size, sentences))
    return [*plans, _Plan("one at a time", 1, spread(sentences, one_at_a_time))]


def built(
    spec: Spec, folder: Path, profiles: Sequence[str], say: Progress, *, trust: bool
) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the model of each profile, and why the others are left out."""
    targets, left_out = {}, {}
    for name in profiles:
        target = folder / f"{name}.onnx"
        try:
            assemble(spec.document.file, target, profile=name, trust=trust, progress=say)
        except ParityError as err:
            left_out[name] = ": ".join(line.strip() for line in err.problems[0].message.splitlines()[:2])
        else:
            targets[name] = target
    return targets, left_out


def _measured(
    ways: dict[str, Way], plan: _Plan, options: tuple[int, float], peak: Peak | DevicePeak, device: Device
) -> list[Speed]:
    """Let each way tag the sentences in turn, so that other load of the machine affects all of them alike."""
    rounds, work = options
    turns = {name: _Turns() for name in ways}
    # One at a time is one call each, because the output of int8 depends on the batch.
    parts = [[tokens] for tokens in plan.sentences] if plan.size == 1 else [plan.sentences]
    tags = {  # the first run is slower, on a GPU that of each shape, so it does not count as a turn
        name: [tagged for part in parts for tagged in way.tags(part, plan.size)] for name, way in ways.items()
    }
    for _ in range(rounds):
        peak.measure()
        for name, way in ways.items():
            time.sleep(_PAUSE)
            seconds, busy = [], time.process_time()
            for part in parts:
                begin = time.perf_counter()
                way.run(part, plan.size)
                device.synchronise()
                seconds.append(time.perf_counter() - begin)
            turns[name].seconds.append(sum(seconds))
            turns[name].processor.append(time.process_time() - busy)
            turns[name].each.append(seconds)
    least, count = work / peak.operations, len(plan.sentences)
    return [_speed((name, plan.label), turns, count, least, _changed(tags[FLAIR], tags[name])) for name in ways]


def _speed(
    names: tuple[str, str], turns: dict[str, _Turns], sentences: int, least: float, changed: tuple[int, int]
) -> Speed:
    """Return the figures of one way; `least` is the seconds that its products take at the machine's peak."""
    name, batch = names
    own, flairs = turns[name], turns[FLAIR]
    fastest = own.each[own.seconds.index(min(own.seconds))]
    single = len(fastest) > 1
    return Speed(
        name=name,
        batch=batch,
        sentences_per_second=sentences / min(own.seconds),
        ratio=min(flairs.seconds) / min(own.seconds),
        processor_ratio=min(flairs.processor) / max(min(own.processor), 1e-9),
        median_ratio=statistics.median(flairs.seconds) / statistics.median(own.seconds),
        latency_median=1000 * statistics.median(fastest) if single else None,
        latency_p95=1000 * sorted(fastest)[math.ceil(0.95 * len(fastest)) - 1] if single else None,
        peak_share=least / min(own.seconds),
        tags_changed=changed[0],
        tokens=changed[1],
    )


def _changed(source: Sequence[TaggedTokens], model: Sequence[TaggedTokens]) -> tuple[int, int]:
    pairs = [
        pair for one, other in zip(source, model, strict=True) for pair in zip(one.labels, other.labels, strict=True)
    ]
    return sum(one != other for one, other in pairs), len(pairs)
