"""`assemble serve`: serves a page on loopback."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any that is free.")
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
def command(folder: Path, port: int, opened: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Serve FOLDER to this machine alone, until Ctrl-C."""
    from assembler.page.serving import LOOPBACK, server

    try:
        serving = server(folder, port)
    except OSError as err:
        message = f"cannot listen on port {port}: {err.strerror or err}"
        raise click.BadParameter(message, param_hint="--port") from err
    address = f"http://{LOOPBACK}:{serving.server_address[1]}/"
    click.echo(address)
    if opened:
        webbrowser.open(address)
    with serving:
        serving.serve_forever()
