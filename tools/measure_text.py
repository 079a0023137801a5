"""Measure what the text interface costs against the interface of indices, in the Python run time.

    python tools/measure_text.py --hidden 2048 --sentences sentences.txt      # one a line, tokens separated by spaces
    python tools/measure_text.py --hidden 2048 --sentences sentences.txt --words 400000

Both models are of one random tagger of the released architecture, and tag the same sentences in turn. Encoding counts:
what the text interface does in the graph, the other does in Python. On a machine with other work the ratio wavers; the
share of ONNX Runtime's time that the operators of the front end take, from its own profile, does not.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measure_assembly import peak_memory, save_random_tagger

from assembler import assemble
from assembler.initialisation import write_spec
from assembler.runtime import Tagger
from assembler.runtime.engine import ort
from assembler.runtime.text import encode_text

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The parts that the text interface adds.
_FRONT = ("tokens/", "forward_characters/", "backward_characters/", "forward_indices/", "backward_indices/", "labels/")
#: The part of a table of words, all of whose operators but the last look words up.
_TABLE = "table/"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-."


def random_words(count: int, sentences: Sequence[Sequence[str]]) -> list[str]:
    """Return words of the length of English ones, and half of those of the sentences in lower case."""
    draw = random.Random(7)  # noqa: S311 - no secret
    own = sorted({token.lower() for tokens in sentences for token in tokens})[::2]
    words = dict.fromkeys(own if count else [])
    while len(words) < count:
        words["".join(draw.choices(_LETTERS, k=max(1, round(draw.gauss(7.5, 2.7)))))] = None
    return list(words)


def models(hidden: int, folder: Path, words: Sequence[str]) -> dict[str, Path]:
    """Return the models of a random tagger, by interface, and print what assembling each took."""
    checkpoint = folder / "full.pt"
    save_random_tagger(checkpoint, hidden, words)
    found = {}
    for interface in ("indices", "text"):
        spec = folder / f"{interface}.yaml"
        spec.write_text(write_spec(str(checkpoint), folder, text=interface == "text"), encoding="utf-8")
        begin = time.process_time()
        found[interface] = assemble(spec, folder / f"{interface}.onnx", proof=False).path
        took = time.process_time() - begin
        print(f"{interface}: assembled in {took:.1f} s of processor time, {peak_memory() >> 20} MiB at the peak so far")
    return found


def front_share(path: Path, batch: list[list[str]], parts: tuple[str, ...], rounds: int = 5) -> float:
    """Return the share of the operators' time that those of some parts take, the first run left out."""
    options = ort.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(path.with_suffix(""))
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for _ in range(rounds + 1):
        session.run(None, {"text": encode_text(batch)})
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    found: dict[str, list[int]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            found.setdefault(event["name"], []).append(event["dur"])
    times = {name: sum(durations[1:]) for name, durations in found.items()}
    return sum(time for name, time in times.items() if name.startswith(parts)) / sum(times.values())


def main() -> None:
    """Measure, and print one line for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--most", type=int, default=64)
    parser.add_argument("--words", type=int, default=0, help="the words of a table beside the language models")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    lines = arguments.sentences.read_text(encoding="utf-8").splitlines()
    sentences = [tokens for line in lines if (tokens := line.split())][: arguments.most]
    with tempfile.TemporaryDirectory() as name:
        paths = models(arguments.hidden, Path(name), random_words(arguments.words, sentences))
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
            longest = sorted(sentences, key=len)[-batch:]
            share = front_share(paths["text"], longest, (*_FRONT, _TABLE))
            table = front_share(paths["text"], longest, (_TABLE,))
            print(
                f"hidden {arguments.hidden}, batches of {batch}: {len(sentences)} sentences, indices "
                f"{min(seconds['indices']):.3f} s, text {min(seconds['text']):.3f} s at best; text / indices "
                f"{statistics.median(ratios):.3f} (median of {len(ratios)} pairs, from {min(ratios):.3f} to "
                f"{max(ratios):.3f}); the front end takes {share:.2%} of the operators' time, the table {table:.2%}; {sizes['text'] - sizes['indices']:+d} bytes"
            )


if __name__ == "__main__":
    main()
