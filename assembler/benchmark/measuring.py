"""The benchmark: builds the profiles of a spec, and lets flair and each of them tag the same text in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.assembly import assemble, wired_sources
from assembler.benchmark.footprint import footprint
from assembler.benchmark.machine import Peak, describe, system_load
from assembler.benchmark.results import Report, Speed
from assembler.errors import ParityError, SpecError
from assembler.problems import Problem
from assembler.proof.samples import proof_sentences, read_sentences
from assembler.sources.weights import CharLmWeights, TaggerHeadWeights
from assembler.spec.reading import load_spec
from assembler.tasks import source_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.assembly import Progress
    from assembler.benchmark.torch_ways import Forwards
    from assembler.proof.parity import TaggedTokens
    from assembler.runtime import Tagger
    from assembler.sources.flair_checkpoint import FlairSource
    from assembler.sources.opening import OpenSources
    from assembler.spec.model import Spec
    from assembler.tasks import SourceTask

    Sentences = Sequence[list[str]]

FLAIR = "flair"
#: The batch of flair's own `predict` unless it is told otherwise.
_FLAIRS_BATCH = 32
#: Seconds before each turn: threads of the turn before still spin for a while, and take the cores.
_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class _Way:
    """A way of tagging: how it is measured, in batches of a size or of its own, and what it says."""

    run: Callable[[Sentences, int | None], object]
    tags: Callable[[Sentences], Sequence[TaggedTokens]]


@dataclass(frozen=True, slots=True)
class _Turns:
    """The seconds of one way: of each turn, those of the processor, and of each sentence tagged one at a time."""

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
    progress: Progress | None = None,
) -> Report:
    """Build a spec in several profiles, prove each, and measure them against flair's `predict`.

    Args:
        path: The spec, with a flair tagger as its reference.
        text: A file of sentences; by default those of the spec's proof.
        profiles: The profiles. `portable` is also what a plain export gives: ONNX's `LSTM`, batches sorted by tokens.
        rounds: The turns that each way takes.
        one_at_a_time: How many sentences are tagged one at a time.
        compiled: Whether flair is also measured with torch.compile and with TorchScript, which takes minutes more.
        trust: Whether object pickles, which can run code, may be read.
        progress: Called at the beginning of each step.

    Returns:
        flair and the models, in batches and one at a time. Only ratios within one run mean anything. flair runs in its
        own batches of 32, the models in the batches that are their default.

    Raises:
        SpecError, SourceError, ModelError: As `assemble`; W019 where there is no tagger to compare with. A profile
            whose proof fails is left out of the report, which says why.
    """
    from assembler.runtime import Tagger

    say = progress or (lambda _: None)
    spec = load_spec(path)
    sentences = read_sentences(spec, text) if text else proof_sentences(spec)
    load = system_load()
    wiring, sources = wired_sources(spec, trust=trust)
    ways: dict[str, _Way] = {FLAIR: flair_way(spec, source_tasks(wiring, sources))}
    unfit: dict[str, str] = {}
    if compiled:
        say("compiling flair's layers with torch")
        more, unfit = _torch_ways(source_tasks(wiring, sources)[0].model, sentences)
        ways |= more
    with tempfile.TemporaryDirectory() as folder:
        targets, left_out = built(spec, Path(folder), profiles, say, trust=trust)
        say("measuring load time and memory")
        footprints = tuple(footprint(name, target, sentences) for name, target in targets.items())
        ways |= {name: _model(Tagger(target)) for name, target in targets.items()}
        peak = Peak(_hidden(sources))
        speeds: list[Speed] = []
        for batch, some in (("batches", sentences), ("one at a time", _spread(sentences, one_at_a_time))):
            say(f"measuring {batch}")
            work = _operations(sources, some)
            speeds += _measured(ways, some, (batch, rounds, work), peak)
    return Report(describe(peak.operations, load), len(sentences), tuple(speeds), footprints, {**unfit, **left_out})


def _spread(sentences: Sentences, count: int) -> Sentences:
    """Return some sentences, from the first to the last."""
    return sentences[:: max(1, len(sentences) // count)][:count]


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
            left_out[name] = err.problems[0].message.splitlines()[0]
        else:
            targets[name] = target
    return targets, left_out


def flair_way(spec: Spec, tasks: Sequence[SourceTask]) -> _Way:
    """Return flair's own way.

    Raises:
        SpecError: No loaded tagger gives tags of tokens (W019).
    """
    source = tasks[0].model if tasks else None
    if source is None or tasks[0].task.by_sentence:
        message = "the stack has no tags of a flair tagger, so there is nothing to measure against"
        raise SpecError(Problem.at(spec.proof.mark, "W019", message))
    return _of_source(source)


def _of_source(source: FlairSource) -> _Way:
    return _Way(
        lambda sentences, batch: source.run_predict(sentences, batch or _FLAIRS_BATCH),
        lambda sentences: source.predict(sentences, _FLAIRS_BATCH),
    )


def _torch_ways(source: FlairSource | None, sentences: Sentences) -> tuple[dict[str, _Way], dict[str, str]]:
    from assembler.benchmark.torch_ways import standing_in, torch_ways

    if source is None:
        return {}, {}
    found, left_out = torch_ways(source, _spread(sentences, 4))
    plain = _of_source(source)

    def way(forwards: Forwards) -> _Way:
        def run(some: Sentences, batch: int | None) -> None:
            with standing_in(forwards):
                plain.run(some, batch)

        def tags(some: Sentences) -> Sequence[TaggedTokens]:
            with standing_in(forwards):
                return plain.tags(some)

        return _Way(run, tags)

    return {name: way(forwards) for name, forwards in found.items()}, left_out


def _model(tagger: Tagger) -> _Way:
    return _Way(lambda sentences, batch: tagger.tag(sentences, batch_size=batch), tagger.tag)


def _measured(ways: dict[str, _Way], sentences: Sentences, options: tuple[str, int, float], peak: Peak) -> list[Speed]:
    """Let each way tag the sentences in turn, so that what else the machine does falls on all of them alike."""
    batch, rounds, work = options
    single = batch == "one at a time"
    turns = {name: _Turns() for name in ways}
    parts = [[tokens] for tokens in sentences] if single else [sentences]  # what int8 gives depends on the batch
    tags = {  # the first run is slower, so that it is not one of the turns
        name: [tagged for part in parts for tagged in way.tags(part)] for name, way in ways.items()
    }
    for _ in range(rounds):
        peak.measure()
        for name, way in ways.items():
            each = [[tokens] for tokens in sentences] if single else [sentences]
            time.sleep(_PAUSE)
            seconds, busy = [], time.process_time()
            for part in each:
                begin = time.perf_counter()
                way.run(part, 1 if single else None)
                seconds.append(time.perf_counter() - begin)
            turns[name].seconds.append(sum(seconds))
            turns[name].processor.append(time.process_time() - busy)
            turns[name].each.append(seconds)
    return [
        _speed((name, batch), turns, len(sentences), work / peak.operations, _changed(tags[FLAIR], tags[name]))
        for name in ways
    ]


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
        latency_p95=1000 * sorted(fastest)[int(0.95 * (len(fastest) - 1))] if single else None,
        peak_share=least / min(own.seconds),
        tags_changed=changed[0],
        tokens=changed[1],
    )


def _changed(source: Sequence[TaggedTokens], model: Sequence[TaggedTokens]) -> tuple[int, int]:
    pairs = [
        pair for one, other in zip(source, model, strict=True) for pair in zip(one.labels, other.labels, strict=True)
    ]
    return sum(one != other for one, other in pairs), len(pairs)


def _hidden(sources: OpenSources) -> int:
    sizes = [each.recurrent.hidden_size for each in sources.weights.values() if isinstance(each, CharLmWeights)]
    return max(sizes, default=1024)


def _operations(sources: OpenSources, sentences: Sentences) -> float:
    """Return the operations that no lowering can do without: the recurrent products, and those of the head's layers.

    The input's product of a language model is not among them, nor the reprojection: both can be folded.
    """
    characters = sum(len(" ".join(tokens)) + 2 for tokens in sentences)
    tokens = sum(map(len, sentences))
    total = 0.0
    for weights in sources.weights.values():
        if isinstance(weights, CharLmWeights):
            layers = [direction for layer in weights.recurrent.layers for direction in layer]
            needed = sum(each.recurrent_weight.size for each in layers)
            total += 2.0 * characters * (needed + sum(each.input_weight.size for each in layers[1:]))
        elif isinstance(weights, TaggerHeadWeights) and weights.recurrent:
            layers = [direction for layer in weights.recurrent.layers for direction in layer]
            total += 2.0 * tokens * sum(each.input_weight.size + each.recurrent_weight.size for each in layers)
    return total
