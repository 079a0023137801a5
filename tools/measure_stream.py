"""Measure whether a stream of any length runs in constant memory.

    python tools/measure_stream.py build/demo-pos.onnx --sentences 1000000 --file german.txt

The sentences of the file, one a line, tokens separated by spaces, are repeated as often as it takes, each made anew when
the tagger asks for it, and no result is kept. Resident memory is what the kernel says of this process (`VmRSS`); its
peak is `VmHWM`.
"""

from __future__ import annotations

import argparse
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUS = Path("/proc/self/status")
_SAMPLES = Path(__file__).parent.parent / "specs" / "samples" / "demo.txt"


def memory(field: str) -> int:
    """Return a size that the kernel tells of this process, in bytes."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return int(lines[field].split()[0]) * 1024


def stream(file: Path, count: int) -> Iterator[list[str]]:
    """Yield so many sentences, those of the file over and over."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return (line.split() for line in islice(cycle(lines), count))


def main() -> None:
    """Tag, and print a line after each tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--sentences", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, default=_SAMPLES)
    parser.add_argument("--batch-size", type=int)
    arguments = parser.parse_args()
    tagger = Tagger(arguments.model)
    print(f"{'sentences':>10}  {'resident MB':>11}  {'at most':>7}  {'sentences/s':>11}")
    print(f"{0:10}  {memory('VmRSS') / 1e6:11.1f}  {memory('VmHWM') / 1e6:7.1f}", flush=True)
    every = max(1, arguments.sentences // 10)
    tokens, begin = 0, time.perf_counter()
    for done, tagged in enumerate(
        tagger.stream(stream(arguments.file, arguments.sentences), batch_size=arguments.batch_size), 1
    ):
        tokens += len(tagged.tokens)
        if done % every == 0 or done == arguments.sentences:
            speed = done / (time.perf_counter() - begin)
            print(f"{done:10}  {memory('VmRSS') / 1e6:11.1f}  {memory('VmHWM') / 1e6:7.1f}  {speed:11.0f}", flush=True)
    print(f"{tokens} tokens")


if __name__ == "__main__":
    main()
