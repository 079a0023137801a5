"""`assemble graph`: draws the parts of a spec and their typed edges."""

from __future__ import annotations

from pathlib import Path

import click

from assembler.cli.printing import format_option, one_line, print_json


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that ends in .svg or .mmd (mermaid).  [default: mermaid on stdout]",
)
@format_option
def command(spec: Path, output: Path | None, form: str) -> None:
    """Draw the parts of SPEC and their typed edges. No weights are read."""
    from assembler.core.atomic_files import write_text
    from assembler.drawing.mermaid import mermaid
    from assembler.sources.opening import at_common_opset, open_headers
    from assembler.spec.reading import load_spec
    from assembler.wiring.graph import wire

    if output is not None and output.suffix not in {".svg", ".mmd"}:
        message = f"'{output}' ends in '{output.suffix}', expected .svg or .mmd"
        raise click.BadParameter(message, param_hint="-o")
    read = load_spec(spec)
    headers, _ = open_headers(read)
    wiring = wire(at_common_opset(read, headers), headers)
    if output is None:
        text = mermaid(wiring)
        if form == "json":
            print_json({"mermaid": text})
        else:
            click.echo(text.rstrip("\n"))
        return
    if output.suffix == ".svg":
        from assembler.drawing.svg import svg

        text = svg(wiring)
    else:
        text = mermaid(wiring)
    write_text(output, text)
    if form == "json":
        print_json({"path": str(output)})
    else:
        click.echo(one_line(f"{output}: {len(wiring.order)} parts"))
