"""`assemble bench`: measures a model side by side with flair."""

from __future__ import annotations

from pathlib import Path

import click

from assembler.cli.reporting import format_option, print_json, print_step


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--trust", is_flag=True, help="Read object pickles too. They can run any code while they are read.")
@format_option
def command(spec: Path, file: Path | None, trust: bool, form: str) -> None:  # noqa: FBT001 - click passes by name
    """Build the model of SPEC and measure it side by side with flair, on FILE or on the sentences of its proof.

    Only the ratios of one run mean anything: both take turns on the same machine, with the same weights and text.
    """
    from assembler.benchmark import measure

    speeds = measure(spec, file, trust=trust, progress=print_step)
    if form == "json":
        print_json([speed.as_dict() for speed in speeds])
        return
    width = max(len(speed.name) for speed in speeds)
    click.echo(f"{'':<{width}}  batch  sentences/s   ratio")
    for speed in speeds:
        rate = f"{speed.sentences_per_second:11.1f}"
        click.echo(f"{speed.name:<{width}}  {speed.batch_size:5d}  {rate}  {speed.ratio:5.2f}×")  # noqa: RUF001
