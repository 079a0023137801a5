"""Measures an assembled tagger side by side with flair: the same weights, the same text, in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.assembly import assemble, wired_sources
from assembler.errors import SpecError
from assembler.problems import Problem
from assembler.proof.samples import proof_sentences, read_sentences
from assembler.spec.reading import load_spec
from assembler.tasks import source_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.assembly import Progress
    from assembler.spec.model import Spec

#: The turns that each way takes; the median counts.
_ROUNDS = 3
#: How many sentences are tagged one at a time.
_ONE_AT_A_TIME = 32


@dataclass(frozen=True, slots=True)
class Speed:
    """One way of tagging.

    Attributes:
        name: The way.
        batch_size: Sentences in one run.
        sentences_per_second: The median of the turns.
        ratio: How many times flair's own speed, in this run.
    """

    name: str
    batch_size: int
    sentences_per_second: float
    ratio: float

    def as_dict(self) -> dict[str, str | int | float]:
        """Return the record that `--format json` prints."""
        return asdict(self)


def measure(
    path: Path | str, text: Path | None = None, *, trust: bool = False, progress: Progress | None = None
) -> list[Speed]:
    """Build the model of a spec, prove it, and measure it against flair's `predict`.

    Args:
        path: The spec, with a flair tagger as its reference.
        text: A file of sentences; by default those of the spec's proof.
        trust: Whether object pickles, which can run code, may be read.
        progress: Called at the beginning of each step.

    Returns:
        flair and the model, in batches of 32 and one at a time. Only ratios within one run mean anything.

    Raises:
        SpecError, SourceError, ModelError, ParityError: As `assemble`; W019 where there is no tagger to compare with.
    """
    from assembler.runtime import Tagger

    say = progress or (lambda _: None)
    spec = load_spec(path)
    sentences = read_sentences(spec, text) if text else proof_sentences(spec)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        assemble(path, target, trust=trust, progress=progress)
        tagger = Tagger(target)
        predict = _flair_predict(spec, trust=trust)
        results: list[Speed] = []
        for batch_size, some in ((32, sentences), (1, sentences[:_ONE_AT_A_TIME])):
            say(f"measuring batches of {batch_size}")
            ways: dict[str, Callable[[Sequence[list[str]], int], object]] = {
                "flair": predict,
                "assembled, portable": lambda batch, size: tagger.tag(batch, batch_size=size),
            }
            results += _in_turns(ways, some, batch_size)
    return results


def _flair_predict(spec: Spec, *, trust: bool) -> Callable[[Sequence[list[str]], int], object]:
    wiring, sources = wired_sources(spec, trust=trust)
    tasks = source_tasks(wiring, sources)
    source = tasks[0].model if tasks else None
    if source is None or tasks[0].task.by_sentence:
        message = "the stack has no tags of a flair tagger, so there is nothing to measure against"
        raise SpecError(Problem.at(spec.proof.mark, "W019", message))
    return source.run_predict


def _in_turns(
    ways: dict[str, Callable[[Sequence[list[str]], int], object]], sentences: Sequence[list[str]], batch_size: int
) -> list[Speed]:
    """Let each way tag the sentences in turn, so that what else the machine does falls on all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(sentences[:2], batch_size)  # the first run of each is slower
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            begin = time.perf_counter()
            way(sentences, batch_size)
            seconds[name].append(time.perf_counter() - begin)
    rates = {name: len(sentences) / statistics.median(times) for name, times in seconds.items()}
    return [Speed(name, batch_size, rate, rate / rates["flair"]) for name, rate in rates.items()]
