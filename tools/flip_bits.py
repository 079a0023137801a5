"""Flip single bits of a model file, and see that each is refused or changes nothing.

    python tools/flip_bits.py MODEL.onnx --flips 3600

Each flip is a copy of the model with one bit changed, which a `Tagger` (or a `TextClassifier`) loads, and with which it
tags a few sentences, if it does not refuse it. With data beside the model those files are flipped too. Prints the codes
of the refusals; the exit code is 1 if a flip gave other tags, or an error without a code.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.runtime import ModelError, SentenceTask, Tagger, TextClassifier
from assembler.runtime.metadata import Metadata
from assembler.workflows.inspection import model_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SENTENCES = [["Die", "Katze", "schläft", "."], ["Wien", "!"], ["I", "went", "to", "New", "York", "in", "1999", "."]]


def tags(model: Path) -> list[object]:
    """Return what a model says of a few sentences."""
    return _sentence_labels(model) if _by_sentence(model) else _token_labels(model)


def _by_sentence(model: Path) -> bool:
    tasks = Metadata.read(model_header(model).metadata, str(model)).tasks
    return bool(tasks) and all(isinstance(task, SentenceTask) for task in tasks)


def _token_labels(model: Path) -> list[object]:
    return [(found.labels, found.scores) for found in Tagger(model, threads=1, spin=False).tag(_SENTENCES)]


def _sentence_labels(model: Path) -> list[object]:
    return [found.labels for found in TextClassifier(model, threads=1, spin=False).classify(_SENTENCES)]


def flipped(files: Sequence[Path], flips: int, seed: int, found: Callable[[Path], list[object]]) -> Counter[str]:
    """Return how often each thing happened: a code, `same`, or `OTHER TAGS`.

    Args:
        files: The model, which comes first, and what lies beside it. They are changed, and set right again.
        flips: How many bits, one at a time.
        seed: Of the choice of bits.
        found: What a model says.
    """
    expected = found(files[0])
    chance = random.Random(seed)  # noqa: S311 - no secret
    sizes = [file.stat().st_size for file in files]
    seen: Counter[str] = Counter()
    for number in range(flips):
        file = files[0] if number % 2 else chance.choices(files, sizes)[0]
        place, bit = chance.randrange(file.stat().st_size), 1 << chance.randrange(8)
        _flip(file, place, bit)
        try:
            same = found(files[0]) == expected
            seen["same" if same else f"OTHER TAGS: {file.name} at {place}, bit {bit}"] += 1
        except ModelError as err:
            seen[err.problems[0].code] += 1
        finally:
            _flip(file, place, bit)
    return seen


def _flip(file: Path, place: int, bit: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(place)
        [byte] = stream.read(1)
        stream.seek(place)
        stream.write(bytes([byte ^ bit]))


def main() -> None:
    """Flip, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--flips", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        beside = sorted(arguments.model.parent.glob("*.weights"))
        files = [Path(shutil.copy(file, folder)) for file in (arguments.model, *beside)]
        seen = flipped(files, arguments.flips, arguments.seed, tags)
    print(f"{arguments.flips} flips: {', '.join(f'{count} {what}' for what, count in sorted(seen.items()))}")
    sys.exit(any(what.startswith("OTHER") for what in seen))


if __name__ == "__main__":
    main()
