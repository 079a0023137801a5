"""Compares the labels of sentences that a model gives as text, their scores, and what it gives where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.classifications import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.proof.parity import TaggedTokens
    from assembler.weights.decisions import SentenceLabels

    Labels = list[tuple[str, float]]

_SEED, _RANDOM = 20211, 32


def chosen_labels(head: SentenceLabels, tagged: TaggedTokens) -> Labels:
    """Return the labels that the source gives a sentence, with their scores, from its slots (`task_results`)."""
    names = [label for label in head.labels if label not in head.skipped]
    slots = zip(names, tagged.labels, tagged.scores, strict=True)
    return [(name, score) for name, slot, score in slots if slot == name]


def own_labels(head: SentenceLabels, outputs: Mapping[str, Array], row: int) -> Labels:
    """Return the labels of a row from the model's own probabilities."""
    probabilities: list[float] = outputs["probabilities"][row].tolist()
    return [(label.value, label.score) for label in labels_of(head, probabilities)]


def sentence_differences(
    outputs: Mapping[str, Array],
    batch: Sequence[Sequence[str]],
    labels: Sequence[Labels],
    options: tuple[Sequence[int], float],
) -> tuple[list[str], list[tuple[str, bool]], float]:
    """Return lines on other labels, lines on scores that alone are others, and how far scores are apart at most.

    Args:
        outputs: The model's outputs, by what they give.
        batch: The tokens of each sentence.
        labels: The labels that it must have, with their scores.
        options: The row of each sentence, and how far scores may be apart. All other rows are sentences without tokens.
    """
    rows, within = options
    wrong: list[str] = []
    scores: list[tuple[str, bool]] = []
    largest = 0.0
    for row in range(len(outputs["lengths"] if "lengths" in outputs else outputs["probabilities"])):
        here = rows.index(row) if row in rows else None
        expected = [] if here is None else labels[here]
        text = "an empty sentence" if here is None else repr(" ".join(batch[here]))
        count = 0 if here is None else len(batch[here])
        if "lengths" in outputs and outputs["lengths"][row] != count:
            wrong.append(f"  {text}: the length is {outputs['lengths'][row]}, expected {count}")
        if here is None and outputs["probabilities"][row].any():
            wrong.append(f"  {text}: the probabilities are {outputs['probabilities'][row].tolist()}, expected only 0")
        names, values = ([name for name, _ in expected], [score for _, score in expected])
        given = outputs["sentence_labels"][row].tolist() if "sentence_labels" in outputs else names
        if given != names + [""] * (len(given) - len(names)):
            wrong.append(f"  {text}: the labels are {given}, expected {names}")
        elif "sentence_scores" in outputs:
            found: list[float] = outputs["sentence_scores"][row].tolist()
            gaps = [abs(one - other) for one, other in zip(found, [*values, *[0.0] * len(found)], strict=False)]
            largest = max([largest, *gaps])
            if any(not gap <= within for gap in gaps):
                scores.append((f"  {text}: the scores of its labels are {found}, expected {values}", True))
    return wrong, scores, largest


def sentence_label_cases(head: SentenceLabels) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
    """Yield probabilities with the tokens of sentences, and the labels that a host makes of them.

    Probabilities are random ones, equal ones, those of one class alone, and numbers at thresholds and next to them.
    """
    draw, count = np.random.default_rng(_SEED), len(head.labels)
    limits = np.array(head.thresholds or [0.5] * count, np.float32)
    beside = [np.nextafter(limits, np.float32(side)) for side in (0, 1)]
    rows = np.vstack([
        draw.random((_RANDOM, count), np.float32), np.full((2, count), 1 / count, np.float32), np.ones((1, count)),
        np.eye(count), limits, *beside,
    ]).astype(np.float32)  # fmt: skip
    counts = np.arange(len(rows)) % 3
    for probabilities, lengths in (
        (rows, counts),
        (rows[:1], counts[1:2]),
        (rows[:2], counts[:1] * 0),
        (rows[:1], counts[:0]),
    ):
        yield {"probabilities": probabilities, "lengths": lengths}, _labelled(head, probabilities, lengths)


def _labelled(head: SentenceLabels, probabilities: Array, lengths: Array) -> dict[str, Array]:
    """Return what `parts.sentence_labels` must give."""
    given = np.where(np.greater(lengths, 0)[:, np.newaxis], probabilities[: len(lengths)], np.float32(0))
    outputs = {"probabilities": given}
    found = [own_labels(head, outputs, row) if lengths[row] else [] for row in range(len(lengths))]
    width = max([1, *map(len, found)])
    labels = np.array([[name for name, _ in row] + [""] * (width - len(row)) for row in found], object)
    scores = np.array([[score for _, score in row] + [0.0] * (width - len(row)) for row in found], np.float32)
    return outputs | {"labels": labels.reshape(-1, width), "scores": scores.reshape(-1, width)}
