"""Measures the cost of loading and running a model in its own process: `python -m assembler.benchmark.footprint`.

The process imports only the runtime, as a service would. ONNX Runtime's own cost is measured in another process,
because the first session of a process always takes longer than the second. flair also has its own process, in
`flair_footprint`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.benchmark.device import PROCESSOR, Device, require_first
from assembler.benchmark.results import Footprint
from assembler.core.errors import ModelError
from assembler.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Sentences = Sequence[Sequence[str]]

_STATUS = Path("/proc/self/status")
_FIRST = (("a",),)


@dataclass(frozen=True, slots=True)
class Taken:
    """The figures that a process has measured for itself.

    Attributes:
        load: The seconds from the file to the first tag.
        imports: The bytes of memory before loading.
        memory: The most bytes beyond these.
        device: The bytes of the device's memory.
    """

    load: float
    imports: int
    memory: int
    device: int


def footprint(
    name: str, model: Path, sentences: Sentences, device: Device = PROCESSOR, *, processes: int = 3
) -> Footprint:
    """Measure a model on sentences; the least of several processes counts."""
    words = [str(model), device.as_json()]
    with tempfile.TemporaryDirectory() as folder:
        text = saved(sentences, Path(folder))
        pairs = [  # in turns, because other programs run too
            (apart(__name__, *words, str(text)), _session_seconds(words)) for _ in range(processes)
        ]
    size = sum(path.stat().st_size for path in (model, *model.parent.glob(f"{model.stem}-*.weights")))
    return least(name, size, [own for own, _ in pairs], min(alone for _, alone in pairs))


def least(name: str, size: int, taken: Sequence[Taken], session_seconds: float | None) -> Footprint:
    """Return the least figures of several processes."""
    return Footprint(
        name=name,
        size=size,
        load_seconds=min(each.load for each in taken),
        session_seconds=session_seconds,
        import_memory=min(each.imports for each in taken),
        peak_memory=min(each.memory for each in taken),
        device_memory=min(each.device for each in taken),
    )


def saved(sentences: Sentences, folder: Path) -> Path:
    """Write sentences for a process, and return the file."""
    text = folder / "sentences.json"
    text.write_text(json.dumps([list(tokens) for tokens in sentences]), encoding="utf-8")
    return text


def apart(module: str, *words: str) -> Taken:
    """Return what a process of a module finds."""
    return Taken(**json.loads(_printed(module, words)))


def _printed(module: str, words: Sequence[str]) -> bytes:
    """Return the output of a process.

    Raises:
        ModelError: M015 if it fails, with its last line.
    """
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        message = f"a process that measures load time and memory failed: {said[-1]}"
        raise ModelError(Problem("M015", message, "where memory ran out: a shorter text needs less", words[0]))
    return done.stdout


def _session_seconds(words: Sequence[str]) -> float:
    seconds: float = json.loads(_printed(__name__, words))
    return seconds


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes; 0 if the system does not report it."""
    if not _STATUS.exists():
        return 0
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def taken(load: Callable[[], Callable[[Sentences], object]], sentences: Sentences, device: Device) -> Taken:
    """Load a model in this process, and let it tag: a first sentence, then all.

    Args:
        load: Loads the model and returns a function that tags sentences with it.
        sentences: The sentences.
        device: The device. Memory that every program uses there is allocated before the measurement.
    """
    device.synchronise()
    on_device, imports = device.used_memory(), peak_memory()
    begin = time.perf_counter()
    tag = load()
    tag(_FIRST)
    device.synchronise()
    seconds = time.perf_counter() - begin
    tag(sentences)
    device.synchronise()
    return Taken(seconds, imports, peak_memory() - imports, max(0, device.used_memory() - on_device))


def main(model: str, device_json: str, text: str | None = None) -> None:
    """Load, tag and print the figures as JSON; without a text, let ONNX Runtime alone load the model."""
    from assembler.runtime import Tagger
    from assembler.runtime.engine import ort

    device = Device.from_json(device_json)
    device.synchronise()  # torch, where there is a GPU, loads the libraries of CUDA that ONNX Runtime needs too
    if text is None:
        begin = time.perf_counter()
        ort.InferenceSession(model, providers=list(device.providers))
        sys.stdout.write(json.dumps(time.perf_counter() - begin))
        return

    def load() -> Callable[[Sentences], object]:
        tagger = Tagger(model, providers=device.providers)
        require_first(device, tagger.providers)
        return tagger.tag

    sentences = json.loads(Path(text).read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(asdict(taken(load, sentences, device))))


if __name__ == "__main__":
    main(*sys.argv[1:])
