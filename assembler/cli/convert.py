"""`assemble convert`: writes the plain form of a checkpoint of older flair."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from assembler.cli.printing import bytes_text, format_option, one_line, print_json


@click.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option("--unconfined", is_flag=True, help="Convert also where the process cannot be confined completely.")
@format_option
def command(old: Path, output: Path, unconfined: bool, form: str) -> None:  # noqa: FBT001 - click's
    """Write what the object pickle OLD holds as plain data, as flair 0.12 and later do.

    An object pickle can run any code while it is read. So a process reads it that has no network, opens no file but
    those of its libraries, writes none, starts no other process, and has limits of memory and time. What it sends back
    is read as any stranger's file. Its models must then compute the same as the old file's. This needs Linux.
    """
    with suppress(OSError):
        if output.samefile(old):
            message = f"'{output}' is the file that is to be converted"
            raise click.BadParameter(message, param_hint="-o")
    from assembler.flair_checkpoints.form import lacking_package, named

    try:
        from assembler.conversion.converting import convert
    except ModuleNotFoundError as err:
        raise lacking_package(named(old), err) from err

    found = convert(old, output, unconfined=unconfined)
    limits = f"{bytes_text(found.limits.memory)} and {found.limits.seconds_for(old.stat().st_size):.0f} s at most"
    if form == "json":
        held = {"promises": [each.value for each in found.held.promises], "means": list(found.held.means)}
        print_json({**asdict(found), "path": str(found.path), "held": held, "limits": limits})
        return
    click.echo(one_line(f"read by a process with {found.held}; {limits}"))
    click.echo(one_line(f"{found.path}: {bytes_text(found.size)}, sha256 {found.digest}"))
    click.echo(f"{found.compared} of {found.compared} results of its models are those of the old file's")
    if not found.order_is_kept:
        order = "flair itself joins the embeddings in another order, and gives other results"
        click.echo(f"{order}: use the file with `assemble`")
    click.echo(one_line(f"write its spec with   assemble init {found.path}"))
