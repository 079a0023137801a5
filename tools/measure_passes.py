"""Measure the effect of each pass of a profile: size and speed of the model after the first pass, after two, and so on.

    python tools/measure_passes.py full.yaml german.txt --profile cpu

All models take turns in one process on the same text, in batches of their own and one at a time; the fastest turn counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from assembler import assemble
from assembler.passes.profiles import PROFILES, Profile
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.passes.profiles import Pass

Sentences = list[list[str]]


def steps(profile: Profile) -> dict[str, Sequence[Pass]]:
    """Return the passes up to each, by the module of the last one."""
    passes = profile.passes()
    found: dict[str, Sequence[Pass]] = {"none": ()}
    for place, step in enumerate(passes, 1):
        found[step.__module__.rpartition(".")[2]] = passes[:place]
    return found


def built(spec: Path, profile: Profile, folder: Path) -> dict[str, Path]:
    """Build a model for each step, without proofs: the whole profile's is proven by `assemble bench`."""
    models = {}
    for name, passes in steps(profile).items():
        PROFILES[name] = Profile(name, "", partial(tuple, passes), profile.tags_changed)
        try:
            models[name] = assemble(spec, folder / f"{name}.onnx", profile=name, proof=False).path
        finally:
            del PROFILES[name]
    return models


def seconds(tagger: Tagger, sentences: Sentences, *, single: bool) -> float:
    """Return the time of one turn."""
    begin = time.perf_counter()
    if single:
        for tokens in sentences:
            tagger.tag([tokens], batch_size=1)
    else:
        tagger.tag(sentences)
    return time.perf_counter() - begin


def main() -> None:
    """Print a line for each pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("text", type=Path, help="one sentence a line")
    parser.add_argument("--profile", default="cpu", choices=list(PROFILES))
    parser.add_argument("--single", type=int, default=8, help="how many sentences one at a time")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sentences = [line.split() for line in options.text.read_text(encoding="utf-8").splitlines() if line.split()]
    few = sentences[:: max(1, len(sentences) // options.single)][: options.single]
    with tempfile.TemporaryDirectory() as folder:
        models = built(options.spec, PROFILES[options.profile], Path(folder))
        taggers = {name: Tagger(path) for name, path in models.items()}
        best: dict[tuple[str, bool], float] = {}
        for turn in range(options.rounds + 1):
            for name, tagger in taggers.items():
                for single in (False, True):
                    taken = seconds(tagger, few if single else sentences, single=single)
                    if turn:  # the first is slower
                        best[name, single] = min(taken, best.get((name, single), taken))
        sys.stdout.write(f"{'after':<18}  size MB  sentences/s in batches  ratio  one at a time  ratio\n")
        for name, path in models.items():
            batches, alone = len(sentences) / best[name, False], len(few) / best[name, True]
            first, second = best["none", False] / best[name, False], best["none", True] / best[name, True]
            size = path.stat().st_size / 1e6
            sys.stdout.write(f"{name:<18}  {size:7.1f}  {batches:22.1f}  {first:5.2f}  {alone:13.2f}  {second:5.2f}\n")


if __name__ == "__main__":
    main()
