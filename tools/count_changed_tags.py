"""Count the tags that lossy models change on a whole text, against an exact model of the same tagger.

    assemble init pos_model.bin --trust -o pos.yaml                       # and with --interface text -o pos-text.yaml
    assemble pos.yaml --trust -o exact.onnx
    assemble pos.yaml --trust --profile int8 -o int8.onnx
    python tools/count_changed_tags.py exact.onnx int8.onnx --text en-ewt-dev.iob2

The text is CoNLL-U or IOB2 with the token in the second column, or one sentence a line, tokens separated by spaces. Each
model tags all of it in batches of each size. A row has the tags that differ from the exact model's, their share with its
interval of 95 %, the root mean square of the scores' differences, and the tags and the largest score that differ
from the same model's own in the first batch size: 0 where nothing depends on the batch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assembler.proof.interval import interval
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.runtime import TaggedSentence

#: The batch of the exact model, whose tags do not depend on it.
_EXACT_BATCH = 32


def sentences_of(path: Path) -> list[list[str]]:
    """Return the sentences of a text."""
    text = path.read_text(encoding="utf-8").strip()
    if path.suffix not in {".conllu", ".iob2"}:
        return [line.split() for line in text.splitlines() if line.strip()]
    blocks = [
        [line.split("\t") for line in block.splitlines() if not line.startswith("#")] for block in text.split("\n\n")
    ]
    return [[cells[1] for cells in block if cells[0].isdigit()] for block in blocks]


def tags_of(
    tagger: Tagger, sentences: Sequence[Sequence[str]], size: int | None
) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return the labels and scores of all tokens, the class `O` included."""
    results: list[TaggedSentence] = tagger.tag(sentences, batch_size=size, force_tokens=True)
    labels = [label for result in results for label in result.labels]
    return labels, np.array([score for result in results for score in result.scores])


def main() -> None:
    """Count, and print a row for each model and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exact", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--text", type=Path, nargs="+", required=True)
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 32, 7, 1])
    arguments = parser.parse_args()
    sentences = [tokens for path in arguments.text for tokens in sentences_of(path)]
    labels, scores = tags_of(Tagger(arguments.exact), sentences, _EXACT_BATCH)
    print(f"{len(sentences):,} sentences, {len(labels):,} tokens of {', '.join(path.name for path in arguments.text)}")
    print(
        "| model | batch | tags that differ | share | 95 % interval | error of scores / 1000 | from its own in the first batch: tags, score | tokens/s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for path in arguments.models:
        tagger, first = Tagger(path), None
        for size in arguments.batches:
            begun = time.perf_counter()
            own, given = tags_of(tagger, sentences, size)
            seconds = time.perf_counter() - begun
            changed = sum(one != other for one, other in zip(labels, own, strict=True))
            least, most = interval(changed, len(labels))
            error = 1000 * float(np.sqrt(np.mean(np.square(given - scores))))
            first = first or (own, given)
            moved = sum(one != other for one, other in zip(first[0], own, strict=True))
            print(
                f"| {path.name} | {size} | {changed} | {changed / len(labels):.3%} | {least:.3%} to {most:.3%} | {error:.2f} "
                f"| {moved}, {np.abs(given - first[1]).max():.2g} | {len(labels) / seconds:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
