"""Measures how much time and memory flair needs to load a checkpoint and to tag, as `footprint` does for a model.

The checkpoint is read by the project's own loader, which calls flair's: it accepts only plain data, and checks the
sizes that the file states. The digest, which flair does not compute, is left out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.benchmark.device import Device
from assembler.benchmark.footprint import apart, least, saved, taken
from assembler.benchmark.ways import FLAIRS_BATCH
from assembler.flair_checkpoints.model_names import fetch
from assembler.flair_checkpoints.opened_checkpoint import read_flair
from assembler.flair_checkpoints.running import quiet_flair
from assembler.sources.location import local_file
from assembler.sources.opened_file import open_source
from assembler.spec.reading import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.benchmark.results import Footprint
    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.forms.source import Source
    from assembler.spec.stack_spec import Spec

    Sentences = Sequence[Sequence[str]]


def flair_footprint(
    name: str,
    spec: Spec,
    source: FlairSource,
    sentences: Sentences,
    device: Device,
    *,
    processes: int = 3,
    trust: bool = False,
) -> Footprint:
    """Measure flair on sentences; the least of several processes counts.

    Args:
        name: The name of the row.
        spec: The spec, which says where the checkpoint is.
        source: The model: the checkpoint's, or one of its tasks.
        sentences: The sentences.
        device: What flair runs on.
        processes: How many processes.
        trust: Whether object pickles, which can run code, may be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = saved(sentences, Path(folder))
        words = (str(spec.document.file), source.prefix, device.as_json(), str(text), "trust" if trust else "")
        found = [apart(__name__, *words) for _ in range(processes)]
    return least(name, _file(spec, source.source).stat().st_size, found, None)


def _file(spec: Spec, source: Source) -> Path:
    with quiet_flair():
        return local_file(source, spec.folder) or fetch(source)


def main(path: str, prefix: str, device_json: str, text: str, trust: str) -> None:
    """Load a model of a spec by its prefix, tag and print the figures as JSON."""
    device, spec = Device.from_json(device_json), load_spec(path)
    source = spec.sources[prefix.partition(".")[0]]
    file = open_source(source, _file(spec, source))

    def load() -> Callable[[Sentences], object]:
        model = read_flair(source, file, trust=trust == "trust").model_at(prefix)
        if model is None:
            raise ValueError(prefix)
        there = model.moved(device.torch)
        return lambda sentences: there.run_predict(sentences, FLAIRS_BATCH)

    sentences = json.loads(Path(text).read_text(encoding="utf-8"))
    with device.full_float32():
        sys.stdout.write(json.dumps(asdict(taken(load, sentences, device))))


if __name__ == "__main__":
    main(*sys.argv[1:])
