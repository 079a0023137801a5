"""Measure what the text interface costs against the interface of indices, in the Python run time.

    python tools/measure_text.py --hidden 2048 --sentences sentences.txt      # one a line, tokens separated by spaces

Both models are of one random tagger of the released architecture, and tag the same sentences in turn. Encoding counts:
what the text interface does in the graph, the other does in Python.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from measure_assembly import save_random_tagger

from assembler import assemble
from assembler.initialisation import write_spec
from assembler.runtime import Tagger


def models(hidden: int, folder: Path) -> dict[str, Path]:
    """Return the models of a random tagger, by interface."""
    checkpoint = folder / "full.pt"
    save_random_tagger(checkpoint, hidden)
    found = {}
    for interface in ("indices", "text"):
        spec = folder / f"{interface}.yaml"
        spec.write_text(write_spec(str(checkpoint), folder, text=interface == "text"), encoding="utf-8")
        found[interface] = assemble(spec, folder / f"{interface}.onnx", proof=False).path
    return found


def main() -> None:
    """Measure, and print one line for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--most", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    lines = arguments.sentences.read_text(encoding="utf-8").splitlines()
    sentences = [tokens for line in lines if (tokens := line.split())][: arguments.most]
    with tempfile.TemporaryDirectory() as name:
        paths = models(arguments.hidden, Path(name))
        sizes = {interface: path.stat().st_size for interface, path in paths.items()}
        taggers = {interface: Tagger(path) for interface, path in paths.items()}
        for batch in (32, 1):
            seconds: dict[str, list[float]] = {interface: [] for interface in taggers}
            for _ in range(arguments.rounds):
                for interface, tagger in taggers.items():
                    begin = time.perf_counter()
                    tagger.tag(sentences, batch_size=batch)
                    seconds[interface].append(time.perf_counter() - begin)
            ratios = [text / indices for text, indices in zip(seconds["text"], seconds["indices"], strict=True)]
            print(
                f"hidden {arguments.hidden}, batches of {batch}: {len(sentences)} sentences, indices "
                f"{min(seconds['indices']):.3f} s, text {min(seconds['text']):.3f} s at best; text / indices "
                f"{statistics.median(ratios):.3f} (median of {len(ratios)} pairs, from {min(ratios):.3f} to "
                f"{max(ratios):.3f}); {sizes['text'] - sizes['indices']:+d} bytes"
            )


if __name__ == "__main__":
    main()
