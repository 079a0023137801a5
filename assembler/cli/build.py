"""`assemble SPEC`: builds and proves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assembler.cli.printing import bytes_text, format_option, one_line, print_json, print_step, printable
from assembler.cli.profile_names import known_profiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.proof.budget import Losses
    from assembler.proof.proving import Proven


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write.  [default: NAME.onnx in the current folder, NAME as the spec says]",
)
@click.option(
    "--profile", callback=known_profiles, metavar="NAME", help="How parts are lowered.  [default: what the spec says]"
)
@click.option(
    "--trust",
    is_flag=True,
    help="Read object pickles too: checkpoints of flair before 0.12 are such. They can run any code while they are "
    "read, so only say this of files whose origin you know.",
)
@click.option("--no-proof", is_flag=True, help="Write the model without comparing it with its source; it will say so.")
@click.option(
    "--external-above",
    type=click.IntRange(min=0),
    metavar="BYTES",
    help="Put the weights into a file of their own if the model would be larger.  [default: 2 GB]",
)
@format_option
def command(
    spec: Path,
    output: Path | None,
    profile: str | None,
    trust: bool,  # noqa: FBT001 - click passes options by name
    no_proof: bool,  # noqa: FBT001
    external_above: int | None,
    form: str,
) -> None:
    """Build the model of SPEC, prove it equal to its source, and only then write it."""
    from assembler.workflows.assembly import assemble

    result = assemble(
        spec,
        output,
        trust=trust,
        profile=profile,
        proof=not no_proof,
        external_above=external_above,
        progress=print_step,
    )
    if form == "json":
        print_json(
            {
                "path": str(result.path),
                "size": result.size,
                "data": str(result.data) if result.data else None,
                "data_size": result.data_size,
                "sources": dict(result.sources),
                "proof": None if result.proven is None else _record(result.proven),
            }
        )
        return
    click.echo(one_line(f"{result.path}: {bytes_text(result.size)}"))
    if result.data:
        click.echo(one_line(f"{result.data}: {bytes_text(result.data_size)} of weights; keep it beside the model"))
    for line in ["not proven (--no-proof)"] if result.proven is None else _lines(result.proven):
        click.echo(printable(line))
    for name in result.unpinned:
        print_step(f"to pin the source '{name}', give it   sha256: {result.sources[name]}")


def _record(proven: Proven) -> dict[str, object]:
    """Return what `--format json` prints of a proof."""
    return {
        "against": proven.against,
        "cases": proven.cases,
        "tokens": proven.tokens,
        "largest_difference": proven.largest,
        "within": proven.tolerance.within,
        "noise_of_source": proven.tolerance.noise,
        "left_out": proven.left_out,
        "covered": proven.coverage.record(),
        "less_than": list(proven.less_than),
        "notes": list(proven.notes),
        **(_losses(proven.losses) if proven.losses else {}),
        **(proven.outputs.record() if proven.outputs else {}),
        **(proven.accuracy.record() if proven.accuracy else {}),
    }


def _lines(proven: Proven) -> Iterator[str]:
    """Yield what is said of a proof."""
    less = f" on less than {', '.join(proven.less_than)}" if proven.less_than else ""
    if proven.outputs is not None:
        yield f"measured{less} against {proven.against}: {proven.cases} sets of inputs"
        yield from (f"  {line}" for line in proven.outputs.lines())
    elif proven.losses:
        yield f"measured{less} against {proven.against}: {proven.cases} sentences"
        yield from (f"  {losses}" for losses in proven.losses)
        if proven.accuracy is not None:
            yield f"  {proven.accuracy}"
    elif proven.tokens or proven.classes:
        yield (
            f"proven{less} against {proven.against}: {proven.cases} sentences, {_compared(proven)} differs, "
            f"scores within {proven.largest:.1e} (allowed {proven.tolerance})"
        )
    else:
        yield (
            f"proven{less} against {proven.against}: {proven.cases} sets of inputs, all outputs within "
            f"{proven.largest:.1e} (allowed {proven.tolerance})"
        )
    if proven.left_out:
        yield f"left out of the proof: {proven.left_out} sentences with words that were cut from a table"
    yield from proven.coverage.lines()
    yield from proven.notes


def _losses(losses: Sequence[Losses]) -> dict[str, object]:
    """Return what `--format json` prints of a lossy model."""
    return {
        "tags_changed": sum(each.tags_changed for each in losses),
        "losses": [each.figures() for each in losses],
    }


def _compared(proven: Proven) -> str:
    """Return what was compared for the sentences: their tokens, their classes, or both."""
    found = [f"{proven.tokens} tokens"] if proven.tokens else []
    if proven.classes:
        each, left = divmod(proven.classes, proven.cases)
        found.append(f"{proven.classes} classes of sentences" if left else f"{each} classes each")
    what = "tag" if proven.tokens else "label"
    return f"{', '.join(found)}, no {what}"
