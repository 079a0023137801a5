"""Measures how far a model and flair differ on tokens of one repeated character: `SPEC MODEL [--trust]`.

The differences are no fault of the model: flair with other kernels differs from itself as much (`--kernels`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from assembler.flair_checkpoints.running import kernels_off
from assembler.runtime import Tagger
from assembler.spec.reading import load_spec
from assembler.workflows.fitting import wired_sources

CHARACTERS = "+-=_*~#.!?/\\|<>^&%$@:;,oxaezn0"
COUNTS = (20, 40, 60, 80, 120)


def main() -> None:
    """Print how many sentences differ."""
    spec, path = (Path(argument) for argument in sys.argv[1:3])
    _, sources = wired_sources(load_spec(spec), trust="--trust" in sys.argv)
    (source,) = sources.models()
    sentences = [["It", "says", character * count, "here", "."] for character in CHARACTERS for count in COUNTS]
    theirs = source.predict(sentences, 8)
    if "--kernels" in sys.argv:
        with kernels_off():
            ours = [(each.labels, each.scores) for each in source.predict(sentences, 8)]
    else:
        ours = [(each.labels, each.scores) for each in Tagger(path).tag(sentences)]
    gaps = [
        max(abs(a - b) for a, b in zip(one.scores, scores, strict=True))
        for one, (_, scores) in zip(theirs, ours, strict=True)
    ]
    changed = sum(tuple(one.labels) != tuple(labels) for one, (labels, _) in zip(theirs, ours, strict=True))
    above = sum(gap > 1e-3 for gap in gaps)  # noqa: PLR2004 - what a reader sees in the third digit
    print(f"{len(sentences)} sentences: {above} differ by more than 1e-3, {changed} have another tag", end="")
    print(f", largest {max(gaps):.1e}")


if __name__ == "__main__":
    main()
