"""The command line: `assemble SPEC` builds and proves; the subcommands do the rest."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assembler.cli.printing import EXIT_BUG, EXIT_PROBLEM, one_line, printable, report_error
from assembler.cli.streams import drop_stdout, standard_streams
from assembler.core.errors import AssemblerError
from assembler.core.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

#: Each command with its one line of help; the module that implements it is imported when it is used.
COMMANDS = {
    "build": "Build the model of a spec and prove it (the default: `assemble SPEC`).",
    "check": "Check specs, without their weights.",
    "init": "Write the spec of a flair tagger, or of ONNX files.",
    "verify": "Try a model again: its file, its contents, its tags.",
    "tag": "Tag text with a model.",
    "inspect": "Show what is in a model.",
    "convert": "Write a checkpoint of older flair as plain data.",
    "extract": "Cut a part out of an ONNX model.",
    "graph": "Draw the parts of a spec and their typed edges.",
    "page": "Write a page that tags text in the browser.",
    "serve": "Serve a page to this machine alone.",
    "diff": "Compare two models.",
    "bench": "Measure a model side by side with flair.",
    "schema": "Print the JSON Schema of the spec language.",
}


class _Commands(click.Group):
    """Has its commands by name, imports them on demand, and takes anything else for a spec to build."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"assembler.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in COMMANDS and args[0] not in {"--help", "-h", "--version"}:
            _refuse_misspelled(ctx, args[0])
            args = ["build", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader, `head` for one, has seen enough; click would call it a failure
            drop_stdout()
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _refuse_misspelled(ctx: click.Context, word: str) -> None:
    """Refuse a folder, and a word that is neither a file nor anything like one, but much like a command."""
    if Path(word).is_dir():
        message = f"'{word}' is a folder. `assemble check {word}` checks the specs in it; `assemble SPEC` builds one"
        raise click.UsageError(message, ctx)
    if word.startswith("-") or Path(word).exists() or Path(word).suffix in {".yaml", ".yml"} or os.sep in word:
        return
    match = nearest(word, COMMANDS)
    hint = f" Did you mean '{match}'?" if match else " `assemble --help` lists the commands."
    message = f"'{word}' is neither a command nor a spec that is here.{hint}"
    raise click.UsageError(message, ctx)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="SPEC | COMMAND [ARGS]…",
)
@click.version_option(package_name="flair-assembler", prog_name="assemble")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Stitch exported subgraphs into one ONNX model that is proven equal to its source.

    \b
        assemble specs/demo-pos.yaml           build and prove demo-pos.onnx
        assemble check specs/                  check specs, without weights
        assemble tag demo-pos.onnx text.txt    tag text, one sentence a line

    Exit codes: 0 fine, 1 a problem in a spec, a source or a model, 2 wrong usage, 3 parity failed, 4 a bug of ours.
    """  # noqa: D301 - click's mark for text that is not to be wrapped
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave with the exit code of the contract."""
    signal.signal(signal.SIGTERM, _terminate)
    with standard_streams():
        _run(list(sys.argv[1:] if args is None else args))


def _run(words: list[str]) -> None:
    """Run a command, and leave with its exit code."""
    if sys.stdout is None:
        click.echo("standard output is closed: results would be lost", err=True)
        sys.exit(EXIT_PROBLEM)
    try:
        _refuse_nul(words)
        code = cli.main(words, prog_name="assemble", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted: nothing was written", err=True)
        sys.exit(130)
    except click.ClickException as err:
        shown = io.StringIO()
        err.show(shown)
        click.echo(printable(shown.getvalue()), err=True, nl=False)
        sys.exit(err.exit_code)
    except AssemblerError as err:
        sys.exit(report_error(err, words))
    except BrokenPipeError:
        drop_stdout()  # the reader, `head` for one, has seen enough
        sys.exit(0)
    except OSError as err:
        place = f"{err.filename}: " if err.filename else ""
        click.echo(one_line(f"{place}{err.strerror or err}"), err=True)
        if err.errno in {errno.ENOSPC, errno.EIO, errno.EBADF}:
            drop_stdout()  # stdout itself may have failed; Python would try to flush it again
        sys.exit(EXIT_PROBLEM)
    except Exception as err:
        if os.environ.get("ASSEMBLE_TRACEBACK"):
            raise
        click.echo(printable(f"a bug of ours: {type(err).__name__}: {err}"), err=True)
        click.echo("please report it, with what ASSEMBLE_TRACEBACK=1 prints; nothing was written", err=True)
        sys.exit(EXIT_BUG)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse_nul(words: Sequence[str]) -> None:
    """Refuse arguments that only a caller in Python, and no command line of a system, can pass."""
    for word in words:
        if "\0" in word:
            message = f"an argument holds a null character: {word!a}"
            raise click.UsageError(message)


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    """Leave by an exception, so that what was begun is cleaned up."""
    sys.exit(128 + number)
