"""Prints a model's results for sentences in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import click

from assembler.cli.printing import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.runtime import Classification, ClassifiedSentence, LabelledExample, TaggedSentence, TaskTags

    Result: TypeAlias = TaggedSentence | ClassifiedSentence | LabelledExample


def write_columns(results: Iterable[Result]) -> None:
    """Print a block for each tagged sentence, or a line for each classified one."""
    from assembler.runtime import LabelledExample, TaggedSentence

    for result in results:
        if isinstance(result, TaggedSentence):
            _write_tags(result)
        elif isinstance(result, LabelledExample):
            _write_example(result)
        else:
            _write_labels(result)


def _write_labels(sentence: ClassifiedSentence) -> None:
    text = " ".join(one_line(token) for token in sentence.tokens)
    for name, found in sentence.tasks.items():
        labels = _labels(found)
        click.echo(f"{one_line(name)}: {labels}  {text}" if sentence.further else f"{labels}  {text}")


def _labels(found: Classification) -> str:
    labels = ", ".join(f"{one_line(label.value)} {label.score:.4f}" for label in found.labels) or "-"
    if found.classes and found.probabilities:
        labels += f"  ({_all_classes(found.classes, found.probabilities)})"
    return labels


def _write_example(example: LabelledExample) -> None:
    from assembler.runtime import Classification, Rating

    text = "  ||  ".join(" ".join(map(one_line, tokens)) for tokens in example.texts)
    for name, found in example.tasks.items():
        if isinstance(found, Rating):
            shown = "-" if found.number is None else f"{found.number:.4f}"
        elif isinstance(found, Classification):
            shown = _labels(found)
        else:
            raise TypeError(found)
        click.echo(f"{one_line(name)}: {shown}  {text}" if len(example.tasks) > 1 else f"{shown}  {text}")


def _write_tags(sentence: TaggedSentence) -> None:
    from rich.cells import cell_len

    tokens = [one_line(token) for token in sentence.tokens]
    tasks = sentence.tasks
    head = [*tasks] if sentence.further and tokens else []
    width = max((cell_len(token) for token in tokens), default=0)
    if head:
        width = max(width, 1)
    columns = [_column(one_line(name) if head else "", tags) for name, tags in tasks.items()]
    if head:
        click.echo("  ".join([f"#{' ' * (width - 1)}", *(column[0] for column in columns)]).rstrip())
    for row, token in enumerate(tokens, 1):
        cells = [column[row] for column in columns]
        click.echo("  ".join([f"{token}{' ' * (width - cell_len(token))}", *cells]))
    for name, tags in tasks.items():
        for span in tags.spans:
            text = " ".join(tokens[span.start : span.end])
            task = f"{one_line(name)} " if head else ""
            click.echo(f"# {task}{one_line(span.label)} {span.score:.4f} [{span.start}, {span.end}) {text}")
    click.echo()


def _column(name: str, tags: TaskTags) -> list[str]:
    """Return the cells of one task: its name, then a label and a score for each token."""
    labels = [one_line(label) for label in tags.labels]
    width = max((len(label) for label in labels), default=0)
    cells = [f"{label:<{width}}  {score:.4f}" for label, score in zip(labels, tags.scores, strict=True)]
    if tags.classes:
        pairs = zip(cells, tags.probabilities, strict=True)
        cells = [f"{cell}  ({_all_classes(tags.classes, row)})" for cell, row in pairs]
    widest = max([len(name), *map(len, cells)])
    return [name.ljust(widest), *(cell.ljust(widest) for cell in cells)]


def _all_classes(classes: Sequence[str], probabilities: Sequence[float]) -> str:
    """Return each class with its probability, in the order of the classes."""
    return ", ".join(f"{one_line(name)} {share:.4f}" for name, share in zip(classes, probabilities, strict=True))
