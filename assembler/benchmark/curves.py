"""Measures how time and memory grow: with the characters of one sentence, or with the sentences of one call.

Each model runs in its own process, `python -m assembler.benchmark.curves`, from the least size to the largest, so that
the largest memory so far is that of the size just run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.benchmark.footprint import peak_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.core.values import Value

    Sentences = Sequence[Sequence[str]]

#: The sizes of each curve.
SIZES: Mapping[str, tuple[int, ...]] = {
    "characters": (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000),
    "sentences": (1, 4, 16, 64, 256, 1024, 4096),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One call of `Tagger.tag`.

    Attributes:
        name: The profile.
        size: The characters of the sentence, or the number of sentences.
        characters: The characters of all sentences, spaces between tokens counted.
        seconds: The seconds of the fastest turn.
        peak_memory: The most bytes that the process has taken so far, beyond imports and the loaded model.
    """

    name: str
    size: int
    characters: int
    seconds: float
    peak_memory: int

    @property
    def microseconds(self) -> float:
        """The time for one character."""
        return 1e6 * self.seconds / self.characters


@dataclass(frozen=True, slots=True)
class Curve:
    """How time and memory grow.

    Attributes:
        of: `characters` or `sentences`.
        points: Profile by profile, from the least size to the largest.
        left_out: Profiles that do not run here, and why.
    """

    of: str
    points: tuple[Point, ...]
    left_out: Mapping[str, str]

    def as_dict(self) -> dict[str, Value]:
        """Return the record that `--format json` prints."""
        points: list[Value] = [asdict(point) | {"microseconds": point.microseconds} for point in self.points]
        return {"curve": self.of, "points": points, "left_out": dict(self.left_out)}


def sizes(of: str, most: int | None) -> tuple[int, ...]:
    """Return the sizes of a curve up to a limit, which is the last of them."""
    if most is None:
        return SIZES[of]
    return (*(size for size in SIZES[of] if size < most), most)


def texts_of(of: str, size: int, sentences: Sentences) -> list[list[str]]:
    """Return `size` sentences, or one of `size` characters, made by repeating the given ones in order."""
    if of == "sentences":
        return [list(tokens) for tokens in islice(cycle(sentences), size)]
    tokens: list[str] = []
    left = size
    for token in cycle(token for each in sentences for token in each):
        if left <= len(token) + 2:  # the rest is too short for a space and another token
            return [[*tokens, (token * left)[:left]]]
        tokens.append(token)
        left -= len(token) + 1
    return []


def points(name: str, model: Path, texts: Sequence[tuple[int, Sentences]], rounds: int) -> list[Point]:
    """Measure a model on texts of growing size, each with its size, in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "texts.json"
        text.write_text(json.dumps([[list(tokens) for tokens in some] for _, some in texts]), encoding="utf-8")
        command = [sys.executable, "-m", "assembler.benchmark.curves", str(model), str(text), str(rounds)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603
    return [
        Point(name, size, sum(len(" ".join(tokens)) for tokens in some), seconds, memory)
        for (size, some), (seconds, memory) in zip(texts, found, strict=True)
    ]


def main(model: str, text: str, rounds: str) -> None:
    """Tag each text of a file, and print seconds and bytes as JSON."""
    from assembler.runtime import Tagger

    texts = json.loads(Path(text).read_text(encoding="utf-8"))
    tagger = Tagger(model)
    tagger.tag([["a"]])
    before, found = peak_memory(), []
    for sentences in texts:
        turns = []
        for _ in range(int(rounds)):
            begin = time.perf_counter()
            tagger.tag(sentences)
            turns.append(time.perf_counter() - begin)
        found.append((min(turns), peak_memory() - before))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
