"""`assemble bench` for a stack of exported files: its parts one after the other, against the assembled file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from assembler.cli.printing import bytes_text, one_line, print_json, print_step, printable
from assembler.core.regular_files import open_regular
from assembler.spec.other_files import sort_of

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.benchmark.measured_model import Given
    from assembler.benchmark.stacks import StackReport
    from assembler.spec.stack_spec import Spec

#: The options that only mean something for text, with why.
_OF_TEXT = {
    "file": "FILE is text for taggers; the inputs of a stack are its proof's: 'cases', 'sizes', or random values",
    "single": "--single is a number of sentences; give 'sizes' in the spec's proof: {batch: [1, 32]}",
    "compiled": "--compile compiles flair's layers, and a stack of exported files has none",
    "curve": "--curve grows a text; give 'sizes' in the spec's proof: {batch: [1, 8, 64]}",
    "upto": "--upto is the largest size of a curve of text; give 'sizes' in the spec's proof",
    "device": "--device is for taggers alone: a stack of exported files is measured on the processor",
}


def stack_of(path: Path) -> Spec | Given | None:
    """Return the stack of exported files that a spec or a model is, or `None` for a spec with a source of flair."""
    from assembler.benchmark.stacks import is_stack

    if _is_model(path):
        from assembler.benchmark.measured_model import given_model

        given = given_model(path)
        if not is_stack(given.spec):
            message = "a model of a tagger is not measured by itself: give its spec, which is built in several profiles"
            raise click.UsageError(message)
        return given
    from assembler.spec.reading import load_spec

    spec = load_spec(path)
    return spec if is_stack(spec) else None


def _is_model(path: Path) -> bool:
    """Return whether a file is an ONNX model rather than a spec."""
    try:
        with open_regular(path) as stream:
            return sort_of(stream.read(4096), str(path)) == "model"
    except OSError:
        return False  # the reader of specs says why


def refuse_options_of_text(context: click.Context) -> None:
    """Refuse options that mean nothing for a stack of exported files.

    Raises:
        UsageError: With the option, and what to give in its place.
    """
    for name, why in _OF_TEXT.items():
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT and context.params[name] is not None
        if given and (name, context.params[name]) != ("device", "cpu"):
            raise click.UsageError(why)


def print_stack(stack: Spec | Given, options: tuple[tuple[str, ...], int, Path | None, str], *, trust: bool) -> None:
    """Measure a stack and print what was found; the options are profiles, rounds, the file of a chart, and the form."""
    from assembler.benchmark.chart import chart
    from assembler.benchmark.measured_model import Given
    from assembler.benchmark.stacks import PROFILES_MEASURED, measure_stack
    from assembler.core.atomic_files import write_text

    profiles, rounds, drawing, form = options
    if profiles and isinstance(stack, Given):
        message = f"--profile builds a spec; the model is measured as it is, in its profile '{stack.profile}'"
        raise click.UsageError(message)
    chosen = profiles or PROFILES_MEASURED
    report = measure_stack(stack, profiles=chosen, rounds=rounds, trust=trust, progress=print_step)
    if drawing is not None:
        write_text(drawing, chart(report, "the parts"))
    if form == "json":
        print_json(report.as_dict())
        return
    _print(report)


def _print(report: StackReport) -> None:
    from assembler.cli.bench import described

    click.echo(described(report.machine))
    for note in report.notes:
        click.echo(printable(note))
    width = max(len(speed.name) for speed in report.speeds)
    second = max(len(speed.batch) for speed in report.speeds)
    columns = "runs/s  ratio  of busy cores  (median)  ms: half  19 of 20  outputs"
    click.echo(f"{'':<{width}}  {'':{second}}  {'':4}{columns}")
    for speed in report.speeds:
        click.echo(
            one_line(
                f"{speed.name:<{width}}  {speed.batch:{second}}  {speed.runs_per_second:10.1f}  {speed.ratio:5.2f}  "
                f"{speed.processor_ratio:13.2f}  {speed.median_ratio:8.2f}  {speed.latency_median:8.3f}  "
                f"{speed.latency_p95:8.3f}  {speed.outputs}"
            )
        )
    for name, size in report.sizes.items():
        click.echo(f"{name}: {bytes_text(size)}")
    for name, reason in report.left_out.items():
        click.echo(one_line(f"{name} is left out: {reason}"))
