"""`assemble diff`: compares two models."""

from __future__ import annotations

from pathlib import Path

import click

from assembler.cli.printing import format_option, one_line, print_json


@click.command()
@click.argument("a", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("b", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@format_option
def command(a: Path, b: Path, form: str) -> None:
    """Show how the models A and B differ: interface, parts, labels, dictionaries, sources, versions, contents."""
    from assembler.workflows.comparison import differences

    found = differences(a, b)
    if form == "json":
        print_json({"a": str(a), "b": str(b), "differences": [entry.as_dict() for entry in found]})
        return
    for entry in found:
        click.echo(f"{one_line(entry.place)}\n  - {one_line(entry.a)}\n  + {one_line(entry.b)}")
    if not found:
        click.echo("no difference")
