"""`assemble extract`: cuts a part out of an ONNX model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from assembler.cli.printing import bytes_text, format_option, one_line, print_json


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option("--from", "fed", multiple=True, metavar="TENSOR", help="A tensor that becomes an input.")
@click.option("--to", "given", multiple=True, metavar="TENSOR", help="A tensor that becomes an output.")
@click.option("--between", metavar="A,B", help="Short for --from A --to B.")
@format_option
def command(
    model: Path, output: Path, fed: tuple[str, ...], given: tuple[str, ...], between: str | None, form: str
) -> None:
    """Write the part of MODEL that computes some tensors from others.

    Without --from it begins at the model's inputs, without --to it ends at its outputs. `assemble inspect MODEL` shows
    these. Inputs of MODEL that the part needs beside are inputs of the part.
    """
    from assembler.workflows.part_extraction import extract

    if between is not None:
        first, comma, last = between.rpartition(",")
        if not comma or not first or not last:
            message = f"'{between}' is not two names of tensors with a comma between"
            raise click.BadParameter(message, param_hint="--between")
        fed, given = (*fed, first), (*given, last)
    found = extract(model, fed, given, output)
    if form == "json":
        print_json({**asdict(found), "path": str(found.path), "data": str(found.data) if found.data else None})
        return
    click.echo(one_line(f"{found.path}: {bytes_text(found.size)}, {found.operators} operators"))
    click.echo(one_line(f"inputs: {', '.join(found.inputs) or 'none'}; outputs: {', '.join(found.outputs)}"))
