"""Functions that the commands share: formats, problems, progress."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import click

from assembler.cli.streams import reader_may_leave
from assembler.core.errors import ParityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from assembler.core.errors import AssemblerError
    from assembler.core.problems import Problem

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
    """Print one JSON document."""
    click.echo(json_text(value, indent=2))


def json_text(value: object, indent: int | None = None) -> str:
    """Return JSON with readable text. Code points that could control a terminal, or are not characters, are escaped."""
    lines = json.dumps(value, ensure_ascii=False, indent=indent).split("\n")
    return "\n".join(line if line.isprintable() else "".join(map(_json_character, line)) for line in lines)


def _json_character(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def print_problems(problems: Iterable[Problem], *, err: bool) -> None:
    """Print problems as text, a record a line, hints indented below.

    Only a proof has problems of several lines. In any other, a line break is part of a name.
    """
    for problem in problems:
        told = "\n  ".join(one_line(line.strip()) for line in _lines(problem))
        hint = None if problem.hint is None else one_line(problem.hint)
        file = None if problem.file is None else one_line(problem.file)
        click.echo(str(replace(problem, message=told, hint=hint, file=file)), err=err)


def _lines(problem: Problem) -> list[str]:
    return problem.message.split("\n") if problem.code.startswith("P") else [problem.message]


def printable(text: str) -> str:
    """Return text that any stream can take, and that cannot control a terminal."""
    escaped = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        character if character in "\n\t" or character.isprintable() else ascii(character)[1:-1] for character in escaped
    )


def one_line(text: str) -> str:
    """Return text as `printable` does, and its line breaks and tabs written out: it can end no line and no column."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def report_error(error: AssemblerError, words: Sequence[str]) -> int:
    """Print the problems of an error and return the exit code.

    Args:
        error: The error.
        words: The command line, which decides whether JSON is printed.
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
    click.echo(f"assemble: {one_line(text)}", err=True)
    sys.stderr.flush()


def bytes_text(count: int) -> str:
    """Return a size for people: `1.7 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - decimal units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
