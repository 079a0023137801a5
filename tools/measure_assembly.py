"""Measure the time and the peak memory of assembling a full-size stack with random weights.

    python tools/measure_assembly.py --hidden 2048

Two language models of HIDDEN states, a reprojection, a BiLSTM(256) head and 17 labels, saved by flair, then built and
proven by `assemble` in a process of its own. Memory is what that process needs beyond its imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in kilobytes elsewhere
#: A random head finds all labels equally good; one whose last weights are larger decides, as trained ones do.
_DECIDED = 30
_STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes.

    On Linux `ru_maxrss` begins with that of the process which started this one, so the kernel's own count is read.
    """
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT


def save_random_tagger(path: Path, hidden: int, words: Sequence[str] = ()) -> None:
    """Save a tagger of the released architecture with random weights.

    Args:
        path: Where to.
        hidden: The size of the language models.
        words: The words of a table of 100 features before them; none by default.
    """
    import flair
    import torch
    from flair.data import Dictionary
    from flair.embeddings import FlairEmbeddings, StackedEmbeddings, TokenEmbeddings, WordEmbeddings
    from flair.models import LanguageModel, SequenceTagger

    flair.device = torch.device("cpu")
    torch.manual_seed(7)
    characters, labels = Dictionary(add_unk=True), Dictionary(add_unk=False)
    for character in "\n abcdefghijklmnopqrstuvwxyzäöüßABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ0123456789.,;:!?-()„“":
        characters.add_item(character)
    for label in range(17):
        labels.add_item(f"TAG{label}")
    models = [LanguageModel(characters, forward, hidden, 1, embedding_size=100) for forward in (True, False)]
    parts: list[TokenEmbeddings] = [
        FlairEmbeddings(model, name=name) for model, name in zip(models, ("forward", "backward"), strict=True)
    ]
    if words:
        vocabulary = {word: row for row, word in enumerate(words)}
        parts.insert(0, WordEmbeddings(None, vocab=vocabulary, embedding_length=100, name="words"))
    tagger = SequenceTagger(StackedEmbeddings(parts), labels, "upos", hidden_size=256, use_crf=False)
    with torch.no_grad():
        tagger.linear.weight *= _DECIDED
    tagger.save(path)


def measured(spec: Path, output: Path) -> dict[str, float]:
    """Assemble a spec in this process; return seconds, bytes of memory before it and at its peak."""
    import assembler.flair_checkpoints.opened_checkpoint
    import assembler.proof.proving
    import assembler.surgery.joining
    import assembler.workflows.assembly

    before = peak_memory()
    begin = time.perf_counter()
    result = assembler.workflows.assembly.assemble(spec, output)
    seconds = time.perf_counter() - begin
    peak = peak_memory()
    largest = result.proven.largest if result.proven else float("nan")
    return {"seconds": seconds, "before": before, "peak": peak, "size": result.size, "largest": largest}


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument(
        "--keep", type=Path, help="a folder for full.pt, full.yaml and full.onnx; by default a temporary one"
    )
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(*arguments.child)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        save_random_tagger(folder / "full.pt", arguments.hidden)
        for command in (
            ["-m", "assembler", "init", str(folder / "full.pt"), "-o", str(folder / "full.yaml"), "--force"],
            [__file__, "--child", str(folder / "full.yaml"), str(folder / "full.onnx")],
        ):
            done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)  # noqa: S603
    found = json.loads(done.stdout)
    size, needed = found["size"], found["peak"] - found["before"]
    print(
        f"hidden {arguments.hidden}: model {size / 1e6:.0f} MB, assembled and proven in {found['seconds']:.1f} s, "
        f"peak memory {needed / 1e6:.0f} MB beyond the imports' {found['before'] / 1e6:.0f} MB = "
        f"{needed / size:.2f} times the model; scores within {found['largest']:.1e}"
    )


if __name__ == "__main__":
    main()
