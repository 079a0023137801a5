"""What the commands have in common: formats, problems, progress."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, TypeVar

import click

from assembler.cli.streams import reader_may_leave
from assembler.errors import ParityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from assembler.errors import AssemblerError
    from assembler.problems import Problem

    Command = TypeVar("Command", bound=Callable[..., object])

EXIT_PROBLEM, EXIT_PARITY, EXIT_BUG = 1, 3, 4


def format_option(function: Command) -> Command:
    """Add `--format text|json`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How results are printed on stdout.",
    )(function)


def print_json(value: object) -> None:
    """Print one JSON document; text stays readable, and lone surrogates are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    click.echo(text)


def print_problems(problems: Iterable[Problem], *, err: bool) -> None:
    """Print problems as text, a record a line, hints indented below."""
    for problem in problems:
        click.echo(printable(str(problem)), err=err)


def printable(text: str) -> str:
    """Return text that any stream can take, and that cannot steer a terminal."""
    escaped = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        character if character in "\n\t" or character.isprintable() else ascii(character)[1:-1] for character in escaped
    )


def report_error(error: AssemblerError, words: Sequence[str]) -> int:
    """Print the problems of an error and return the exit code.

    Args:
        error: The error.
        words: The command line, which says whether JSON is wanted.
    """
    if wants_json(words):
        with reader_may_leave():
            print_json({"problems": [problem.as_dict() for problem in error.problems]})
    else:
        print_problems(error.problems, err=True)
    return EXIT_PARITY if isinstance(error, ParityError) else EXIT_PROBLEM


def wants_json(words: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(word == "--format=json" or (word, after) == ("--format", "json") for word, after in pairs)


def print_step(text: str) -> None:
    """Print progress on stderr."""
    click.echo(f"assemble: {printable(text)}", err=True)
    sys.stderr.flush()


def bytes_text(count: int) -> str:
    """Return a size for people: `1.7 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - decimal units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
