"""`assemble inspect`: shows what is in a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assembler.cli.reporting import bytes_text, format_option, print_json

if TYPE_CHECKING:
    from assembler.inspection import Inspection


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@format_option
def command(model: Path, form: str) -> None:
    """Show the interface, parts, labels, sources, sizes and versions of MODEL."""
    from assembler.inspection import inspect

    found = inspect(model)
    if form == "json":
        print_json(found.as_dict())
    else:
        _print(found)


def _print(found: Inspection) -> None:
    click.echo(f"{found.path}: {found.name}, {bytes_text(found.size)}, opset {found.opset}, profile {found.profile}")
    if found.description:
        click.echo(found.description)
    _section("inputs", [(name, text, fill) for name, text, fill in found.inputs])
    _section("outputs", found.outputs)
    _section(
        "parts",
        [
            (part.name, part.kind, f"{part.parameters:,} weights" if part.parameters else "", part.weights or "")
            for part in found.parts
        ],
    )
    _section("language models", found.language_models)
    if found.labels:
        click.echo(f"\nlabels ({len(found.labels)}, {found.label_type}{', spans' if found.spans else ''})")
        click.echo(f"  {' '.join(found.labels)}")
    _section("sources", found.sources)
    click.echo(f"\nproof\n  {found.proof}")
    _section("versions", list(found.versions.items()))


def _section(title: str, rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    click.echo(f"\n{title}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
