"""`assemble init`: writes the spec of flair checkpoints, or of exported files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from assembler.cli.printing import format_option, one_line, print_json


def _same(one: str, other: str) -> bool:
    """Return whether two sources are one: the same name, or the same file."""
    with suppress(OSError, ValueError):  # names that flair knows
        return one == other or Path(one).samefile(other)
    return False


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The spec to write; its stack has the file's name.  [default: stdout]",
)
@click.option(
    "--interface",
    type=click.Choice(["indices", "text"]),
    default="indices",
    show_default=True,
    help="What the model takes: character ids and indices, or text; a model that takes text gives labels as text.",
)
@click.option(
    "--probabilities", is_flag=True, help="Let the model give the probabilities of all classes of each token too."
)
@click.option("--embeddings", is_flag=True, help="Let the model give the vectors that its heads read too.")
@click.option("--trust", is_flag=True, help="Read object pickles too. They can run any code while they are read.")
@click.option("--force", is_flag=True, help="Replace a spec that is there.")
@format_option
def command(
    sources: tuple[str, ...],
    output: Path | None,
    interface: str,
    probabilities: bool,  # noqa: FBT001 - click passes options by name
    embeddings: bool,  # noqa: FBT001
    trust: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
    form: str,
) -> None:
    """Write a commented, minimal spec for SOURCE: a flair checkpoint, a name that flair knows, or an ONNX file.

    Of several, one spec is written, whose model has the tags of each; language models and tables that several of them
    have become one part, and run once. ONNX files are joined, in this order, where the names and types of their ports
    agree; comments ask where they do not.
    """
    if interface == "text" and len(sources) > 1:
        message = "the text interface is that of one tagger: name one SOURCE"
        raise click.BadParameter(message, param_hint="--interface")
    flair = [each for each in sources if not each.endswith(".onnx")]  # an exported file can be two parts
    twice = next((each for each in flair if [_same(each, other) for other in flair].count(True) > 1), None)
    if twice is not None:
        message = f"'{twice}' is named twice; a model has each source once"
        raise click.BadParameter(message, param_hint="SOURCE")
    if output is not None and output.exists() and not force:
        message = f"'{output}' is there already; --force replaces it"
        raise click.BadParameter(message, param_hint="-o")
    if output is not None and not output.absolute().parent.is_dir():
        message = f"there is no folder '{output.parent}'"
        raise click.BadParameter(message, param_hint="-o")
    from assembler.core.atomic_files import write_text
    from assembler.initialisation import Further, write_spec

    folder, name = (output.parent, output.stem) if output else (Path(), None)
    further = Further(probabilities, embeddings)
    text = write_spec(sources, folder, trust=trust, text=interface == "text", name=name, further=further)
    if output is None:
        if form == "json":
            print_json({"spec": text})
        else:
            click.echo(text, nl=False)
        return
    write_text(output, text)
    if form == "json":
        print_json({"path": str(output)})
    else:
        click.echo(one_line(f"{output}: build it with   assemble {output}"))
