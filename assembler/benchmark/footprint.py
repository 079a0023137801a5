"""Measures what loading and running a model takes, in a process of its own: `python -m assembler.benchmark.footprint`.

The process imports the runtime alone, as a service would. What ONNX Runtime takes by itself is measured in another: the
first session of a process takes longer than the second, whoever makes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.benchmark.results import Footprint

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATUS = Path("/proc/self/status")
_RUNS = 3


def footprint(name: str, model: Path, sentences: Sequence[Sequence[str]]) -> Footprint:
    """Measure a model on sentences."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "sentences.json"
        text.write_text(json.dumps([list(tokens) for tokens in sentences]), encoding="utf-8")
        pairs = [(_apart(model, text), _apart(model)) for _ in range(_RUNS)]  # in turns, for other programs run too
    size = sum(path.stat().st_size for path in (model, *model.parent.glob(f"{model.stem}-*.weights")))
    return Footprint(
        name=name,
        size=size,
        load_seconds=min(own["load"] for own, _ in pairs),
        session_seconds=min(alone["load"] for _, alone in pairs),
        peak_memory=int(min(own["memory"] for own, _ in pairs)),
    )


def _apart(*words: Path) -> dict[str, float]:
    """Return what a process of its own finds."""
    command = [sys.executable, "-m", "assembler.benchmark.footprint", *map(str, words)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603
    return found


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes; 0 where the system does not tell."""
    if not _STATUS.exists():
        return 0
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def main(model: str, text: str | None = None) -> None:
    """Load, tag and print the figures as JSON; without a text, let ONNX Runtime alone load the model."""
    import onnxruntime as ort

    from assembler.runtime import Tagger

    if text is None:
        begin = time.perf_counter()
        ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        sys.stdout.write(json.dumps({"load": time.perf_counter() - begin}))
        return

    sentences = json.loads(Path(text).read_text(encoding="utf-8"))
    before = peak_memory()
    begin = time.perf_counter()
    tagger = Tagger(model)
    tagger.tag([["a"]])
    load = time.perf_counter() - begin
    tagger.tag(sentences)
    memory = peak_memory() - before
    sys.stdout.write(json.dumps({"load": load, "memory": memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])
