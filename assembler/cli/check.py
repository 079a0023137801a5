"""`assemble check`: checks specs without their weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assembler.cli.printing import EXIT_PROBLEM, format_option, print_json, print_problems, print_step
from assembler.cli.streams import reader_may_leave

if TYPE_CHECKING:
    from assembler.workflows.checking import Checked


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--strict", is_flag=True, help="Also refuse paths that leave the spec's folder; pull requests are.")
@format_option
def command(paths: tuple[Path, ...], strict: bool, form: str) -> int:  # noqa: FBT001 - click passes options by name
    """Check specs, or all specs in folders, without their weights."""
    from assembler.workflows.checking import check

    result = check(paths, strict=strict)
    with reader_may_leave():
        _print(result, form)
    return EXIT_PROBLEM if result.problems else 0


def _print(result: Checked, form: str) -> None:
    if form == "json":
        print_json(
            {
                "files": list(result.files),
                "problems": [problem.as_dict() for problem in result.problems],
                "notes": list(result.notes),
            }
        )
    else:
        print_problems(result.problems, err=False)
        for note in result.notes:
            print_step(note)
        count = len(result.problems)
        specs = f"{len(result.files)} spec{'s' if len(result.files) != 1 else ''}"
        problems = "no problems" if not count else f"{count} problem{'s' if count != 1 else ''}"
        click.echo(f"{specs}: {problems}")
