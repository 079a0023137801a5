"""`assemble tag`: tags text with a model."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import click

from assembler.cli.columns import write_columns
from assembler.cli.interruption import answered
from assembler.cli.printing import format_option, json_text, one_line
from assembler.cli.raw_text import noticed
from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.core.regular_files import MOST_TEXT
from assembler.interface.examples import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from assembler.cli.columns import Result
    from assembler.runtime import Labeller, Tagger, Tars, TextClassifier

#: Batches that are read and sorted together.
_BATCHES = 32
#: A progress bar is shown above this many sentences.
_LONG_INPUT = 200


#: As `runtime.tokenization` has them; importing that here would import numpy for --help.
TOKENIZERS = ("segtok", "whitespace")


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Sentences in one run.  [default: 32, or 128 where they can share a lane]",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one run.  [default: ONNX Runtime's choice]")
@click.option(
    "--spin/--no-spin",
    default=True,
    show_default=True,
    help="Let threads wait by spinning: faster, where no other program wants the cores.",
)
@click.option("--force-tokens", is_flag=True, help="Give a label per token, without spans, also where tags are spans.")
@click.option(
    "--probabilities",
    is_flag=True,
    help="Print the probabilities of all classes too. A tagger needs a spec by `assemble init --probabilities` for it.",
)
@click.option(
    "--labels",
    metavar="A,B,…",
    help="The labels to look for, separated by commas, with a model that is asked for any (TARS).",
)
@click.option("--task", help="A task of such a model, whose labels are looked for.  [default: its current one]")
@click.option(
    "--tokenizer",
    type=click.Choice(TOKENIZERS),
    help="Split lines of raw text: 'segtok' as flair's Sentence does, 'whitespace' at white space.  "
    "[default: lines are tokens separated by spaces]",
)
@click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Look first if the model's file is whole, by the digest that it carries.",
)
@format_option
@answered()
def command(
    model: Path,
    file: Path | None,
    batch_size: int | None,
    threads: int | None,
    spin: bool,  # noqa: FBT001 - click passes options by name
    force_tokens: bool,  # noqa: FBT001 - click passes options by name
    probabilities: bool,  # noqa: FBT001 - click passes options by name
    labels: str | None,
    task: str | None,
    tokenizer: str | None,
    verify: bool,  # noqa: FBT001 - click passes options by name
    form: str,
) -> None:
    r"""Tag FILE, or standard input, with MODEL: one sentence a line, tokens separated by spaces.

    Prints a line for each token with its label and score, and an empty line after each sentence; with --format json an
    array with one sentence a line. Where the tags are spans, each follows its sentence as a line of its own,
    '# LABEL SCORE [first token, end) text'. A model of several tasks has a label and a score for each, in columns under
    a line with their names. A model that labels sentences prints a line for each: its labels with their scores, and the
    text. One of pairs or triples reads lines of texts separated by tabs; a regressor prints the number of each.
    With --probabilities, all classes follow each score, or the labels of a sentence, in brackets. A tab, or
    another character that would end a line or a column, is printed as '\t', '\x0b' and so on; --format json has the
    tokens as they are. An empty line of the input is an empty sentence. With --tokenizer a line is raw text, and
    --format json has the place of each token in it. Standard input is tagged in windows of 32 batches.
    """
    write = partial(_write_json, raw=tokenizer is not None) if form == "json" else write_columns
    opened = _opened(model, threads, spin=spin, verify=verify)
    texts = getattr(opened, "texts", SENTENCES).count
    asked = _Asked(None if labels is None else [each.strip() for each in labels.split(",") if each.strip()], task)
    stream = _stream(opened, batch_size, asked, force_tokens=force_tokens, probabilities=probabilities)
    if file is None or str(file) == "-":
        if sys.stdin is None:
            message = "standard input is closed; name a file"
            raise click.UsageError(message)
        with _progress(None) as advance:
            lines = _read(read_lines(sys.stdin.buffer, "<stdin>"), tokenizer, "<stdin>", texts)
            write(stream(lines, window=1 if sys.stdin.isatty() else _BATCHES, progress=advance))
        return
    count = _count(file) if file.is_file() else None  # a pipe, such as `<(…)`, can be read only once
    with file.open("rb") as text, _progress(count) as advance:
        lines = _read(read_lines(text, str(file)), tokenizer, str(file), texts)
        write(stream(lines, window=_BATCHES, progress=advance))


class _Stream(Protocol):
    """Reads sentences and returns results, one after another."""

    def __call__(
        self, sentences: Iterator[Any], /, *, window: int, progress: Callable[[int], None] | None
    ) -> Iterator[Result]: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a model that is asked for labels looks for."""

    labels: list[str] | None
    task: str | None


def _stream(
    model: Tagger | TextClassifier | Tars | Labeller,
    batch_size: int | None,
    asked: _Asked,
    *,
    force_tokens: bool,
    probabilities: bool,
) -> _Stream:
    from assembler.runtime import Tagger, Tars

    if isinstance(model, Tars):
        if force_tokens or probabilities:
            message = "a model that is asked for labels (TARS) gives spans alone"
            raise click.UsageError(message)
        try:
            model.stream([], asked.labels, task=asked.task)
        except ValueError as err:
            raise click.UsageError(str(err)) from err
        return partial(model.stream, labels=asked.labels, task=asked.task, batch_size=batch_size)
    if asked != _Asked(None, None):
        message = "--labels and --task are for models that are asked for labels (TARS); this one has its own"
        raise click.UsageError(message)
    if isinstance(model, Tagger):
        return partial(model.stream, batch_size=batch_size, force_tokens=force_tokens, probabilities=probabilities)
    return partial(model.stream, batch_size=batch_size, probabilities=probabilities)


def _opened(model: Path, threads: int | None, *, spin: bool, verify: bool) -> Tagger | TextClassifier | Tars | Labeller:
    """Return the runner of the model: a tagger, or a classifier if the model labels only sentences."""
    from assembler.runtime import Labeller, SentenceTask, Tagger, Tars, TextClassifier, TokenTask
    from assembler.runtime.metadata import Metadata
    from assembler.workflows.inspection import model_header

    metadata = Metadata.read(model_header(model).metadata, str(model))
    if metadata.interface.label_pairs is not None:
        return Tars(model, threads=threads, spin=spin, verify=verify)
    tasks = metadata.tasks
    if tasks and all(isinstance(task, SentenceTask) and task.texts.count == 1 for task in tasks):
        return TextClassifier(model, threads=threads, spin=spin, verify=verify)
    if tasks and not any(isinstance(task, TokenTask) for task in tasks):
        return Labeller(model, threads=threads, spin=spin, verify=verify)
    return Tagger(model, threads=threads, spin=spin, verify=verify)


def _count(file: Path) -> int:
    """Read all of a file before anything is printed, so that a damaged one causes an error and no partial result."""
    with file.open("rb") as opened:
        return sum(1 for _ in read_lines(opened, str(file)))


def _read(lines: Iterator[str], tokenizer: str | None, name: str, texts: int) -> Iterator[Sequence[object]]:
    """Return the tokens of each line, or of each text in it: texts are separated by tabs.

    Raises:
        ModelError: A line has another number of texts than the model reads (T004).
    """
    if texts == 1:
        yield from _tokens(lines, tokenizer, name)
        return
    for number, line in enumerate(lines, 1):
        parts = line.split("\t")
        if len(parts) != texts:
            message = f"holds {len(parts)} texts, and the model reads {texts} at once"
            raise ModelError(Problem("T004", message, "separate the texts of a line by tabs", name, number))
        yield [*_tokens(iter(parts), tokenizer, name)]


def _tokens(lines: Iterator[str], tokenizer: str | None, name: str) -> Iterator[Sequence[str]]:
    """Return the tokens of each line."""
    if tokenizer is None:
        return ([token for token in line.split(" ") if token] for line in noticed(lines, one_line(name)))
    from assembler.runtime import tokenize

    return tokenize(lines, tokenizer)


def read_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield the lines. A byte order mark and the ends of lines, including Windows', are not part of the text.

    Raises:
        ModelError: A line is not UTF-8 (T001), or too long (T002).
    """
    for number, data in enumerate(iter(lambda: stream.readline(MOST_TEXT + 1), b""), 1):
        if len(data) > MOST_TEXT:
            message = f"is longer than {MOST_TEXT >> 20} MiB"
            raise ModelError(Problem("T002", message, "write one sentence a line", name, number))
        line = data.removeprefix(b"\xef\xbb\xbf") if number == 1 else data
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as err:
            column = len(line[: err.start].decode("utf-8", "replace")) + 1
            message = f"is not UTF-8: byte 0x{line[err.start]:02x}"
            raise ModelError(Problem("T001", message, "save the text as UTF-8", name, number, column)) from err
        yield text.removesuffix("\n").removesuffix("\r")


@contextmanager
def _progress(count: int | None) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on stderr for long input, if stderr is a terminal."""
    if not sys.stderr.isatty() or sys.stdout.isatty() or (count is not None and count < _LONG_INPUT):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("tagging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("tagging", total=count)
        yield lambda finished: bar.advance(task, finished)


def _write_json(sentences: Iterable[Result], *, raw: bool) -> None:
    click.echo("[", nl=False)
    separator = "\n"
    try:
        for sentence in sentences:
            click.echo(separator + _record(sentence, raw=raw), nl=False)
            separator = ",\n"
    finally:
        click.echo("\n]")


def _record(sentence: Result, *, raw: bool) -> str:
    """Return a sentence as JSON. For raw text, each has the places of its tokens, even if there are none."""
    from assembler.runtime.token import places

    record = sentence.as_dict()
    if raw and hasattr(sentence, "tokens"):
        record["offsets"] = [list(place) for place in places(sentence.tokens)]
    return json_text(record)
