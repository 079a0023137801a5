"""`assemble page`: writes a page that tags text in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from assembler.cli.printing import bytes_text, format_option, one_line, print_json


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to write."
)
@click.option(
    "--runtime",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder `dist` of the npm package onnxruntime-web.  [default: that in node_modules here or above]",
)
@click.option("--force", is_flag=True, help="Replace a page that is there.")
@format_option
def command(model: Path, output: Path, runtime: Path | None, force: bool, form: str) -> None:  # noqa: FBT001
    """Write a folder with a page that tags text with MODEL as one types, in the browser. The model takes text."""
    from assembler.page.folder import foreign
    from assembler.page.writing import FILES, RUNTIME_FILES, find_runtime, require_page, write_page

    if output.exists() and (reason := foreign(output, FILES) if force else "") is not None:
        message = f"'{output}' is there already; --force replaces a page, and nothing else"
        message += f": {reason}" if reason else ""
        raise click.BadParameter(message, param_hint="-o")
    require_page(model)  # before npm is asked to install anything for it
    found = runtime or find_runtime(Path.cwd())
    if found is None:
        message = "onnxruntime-web is not here: npm install --ignore-scripts onnxruntime-web"
        raise click.BadParameter(message, param_hint="--runtime")
    missing = [name for name in RUNTIME_FILES if not (found / name).is_file()]
    if missing:
        message = f"'{found}' has no {missing[0]}; name the folder 'dist' of the npm package onnxruntime-web"
        raise click.BadParameter(message, param_hint="--runtime")
    page = write_page(model, output, found, replace=force)
    if form == "json":
        print_json({"path": str(page.folder), "size": page.size})
    else:
        click.echo(one_line(f"{page.folder}: {bytes_text(page.size)}; look at it with   assemble serve {page.folder}"))
