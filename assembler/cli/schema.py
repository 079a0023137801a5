"""`assemble schema`: prints the JSON Schema of the spec language."""

from __future__ import annotations

from pathlib import Path

import click

from assembler.cli.printing import format_option, print_json


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file for an editor to use.")
@format_option
def command(output: Path | None, form: str) -> None:  # noqa: ARG001 - a schema is JSON in any case
    """Print the JSON Schema of the spec language, installed kinds included."""
    from assembler.core.atomic_files import write_text
    from assembler.forms.registry import forms
    from assembler.parts.registry import kinds
    from assembler.spec.schema import build_schema, schema_text

    schema = build_schema(kinds(), forms())
    if output is None:
        print_json(schema)
        return
    write_text(output, schema_text(schema))
    click.echo(f"{output}: {len(kinds())} kinds")
