"""`assemble verify`: tries a model again."""

from __future__ import annotations

from pathlib import Path

import click

from assembler.cli.printing import format_option, one_line, print_json, print_step


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The spec it was built from: run the whole proof against the source again.",
)
@click.option("--trust", is_flag=True, help="With --spec: read object pickles too. They can run any code.")
@format_option
def command(model: Path, spec: Path | None, trust: bool, form: str) -> None:  # noqa: FBT001 - click passes by name
    """Check MODEL on this machine: is it whole, and does it predict the tags that it carries for some sentences?

    Both come from the file itself, so this finds damage, and other results on another machine. It does not tell who
    wrote the file: whoever changes a model can write a digest and tags that fit. With --spec the sources decide.
    """
    from assembler.workflows.verification import verify

    result = verify(model, spec=spec, trust=trust, progress=print_step)
    if form == "json":
        print_json({"path": str(result.path), "found": list(result.found)})
        return
    for line in result.found:
        click.echo(one_line(f"{result.path}: {line}"))
