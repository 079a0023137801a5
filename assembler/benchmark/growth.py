"""Builds the profiles of a spec, and measures how their time and memory grow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.benchmark.curves import Curve, points, sizes, texts_of
from assembler.benchmark.measuring import built
from assembler.benchmark.ways import flair_source
from assembler.description.source_tasks import source_tasks
from assembler.proof.samples import proof_sentences, read_sentences
from assembler.spec.reading import load_spec
from assembler.workflows.fitting import wired_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.benchmark.curves import Point
    from assembler.workflows.order import Progress


def measure_curve(
    path: Path | str,
    of: str,
    text: Path | None = None,
    *,
    profiles: Sequence[str] = ("portable", "cpu", "int8"),
    most: int | None = None,
    rounds: int = 3,
    trust: bool = False,
    progress: Progress | None = None,
) -> Curve:
    """Build a spec in several profiles, prove each, and measure how time and memory grow.

    Args:
        path: The spec.
        of: `characters` of one sentence, or `sentences` in one call.
        text: A file of sentences, repeated as often as it takes; by default those of the spec's proof.
        profiles: The profiles.
        most: The largest size; by default 20,000 characters, or 4,096 sentences.
        rounds: The turns of each size, of which the fastest counts.
        trust: Whether object pickles, which can run code, may be read.
        progress: Called at the beginning of each step.

    Raises:
        SpecError, SourceError, ModelError: As `assemble`; W019 if the stack outputs no tags of tokens. A profile whose
            proof fails is left out, and the report says why.
    """
    say = progress or (lambda _: None)
    spec = load_spec(path)
    sentences = read_sentences(text) if text else proof_sentences(spec)
    wiring, sources = wired_sources(spec, trust=trust)
    flair_source(spec, source_tasks(wiring, sources))
    del wiring, sources
    texts = [(size, texts_of(of, size, sentences)) for size in sizes(of, most)]
    found: list[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        targets, left_out = built(spec, Path(folder), profiles, say, trust=trust)
        for name, target in targets.items():
            say(f"measuring {name}")
            found += points(name, target, texts, rounds)
    return Curve(of, tuple(found), left_out)
