"""Measures what loading and running a model takes, in a process of its own: `python -m assembler.benchmark.footprint`.

The process imports the runtime alone, as a service would.
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


def footprint(name: str, model: Path, sentences: Sequence[Sequence[str]]) -> Footprint:
    """Measure a model on sentences."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "sentences.json"
        text.write_text(json.dumps([list(tokens) for tokens in sentences]), encoding="utf-8")
        command = [sys.executable, "-m", "assembler.benchmark.footprint", str(model), str(text)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]  # noqa: S603
    size = sum(path.stat().st_size for path in (model, *model.parent.glob(f"{model.stem}-*.weights")))
    return Footprint(
        name=name,
        size=size,
        load_seconds=min(run["load"] for run in runs),
        session_seconds=min(run["session"] for run in runs),
        peak_memory=min(run["memory"] for run in runs),
    )


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes; 0 where the system does not tell."""
    if not _STATUS.exists():
        return 0
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def main(model: str, text: str) -> None:
    """Load, tag and print the figures as JSON."""
    import onnxruntime as ort

    from assembler.runtime import Tagger

    sentences = json.loads(Path(text).read_text(encoding="utf-8"))
    before = peak_memory()
    begin = time.perf_counter()
    tagger = Tagger(model)
    tagger.tag([["a"]])
    load = time.perf_counter() - begin
    tagger.tag(sentences)
    memory = peak_memory() - before
    del tagger
    options = ort.SessionOptions()
    begin = time.perf_counter()
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session = time.perf_counter() - begin
    sys.stdout.write(json.dumps({"load": load, "session": session, "memory": memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])
