"""`assemble bench`: measures a model side by side with flair, or with its parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from assembler.cli.bench_stack import print_stack, refuse_options_of_text, stack_of
from assembler.cli.printing import bytes_text, format_option, one_line, print_json, print_step
from assembler.cli.profile_names import known_profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.benchmark import Curve, Report
    from assembler.benchmark.device import Device
    from assembler.benchmark.results import Footprint, Machine
    from assembler.workflows.order import Progress


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    callback=known_profiles,
    metavar="NAME",
    help="A profile to measure; several are allowed.  [default: portable, cpu, int8; on a GPU: cuda, fp16; of a stack "
    "of exported files: portable, int8]",
)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Turns of each way.")
@click.option(
    "--single",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="How many sentences are tagged one at a time.",
)
@click.option(
    "--compile/--no-compile",
    "compiled",
    help="Also measure flair with torch.compile and with TorchScript, where they run. It takes minutes more.",
)
@click.option(
    "--curve",
    type=click.Choice(["characters", "sentences"]),
    help="Measure how time and memory grow instead: with the characters of one sentence, or the sentences of one call.",
)
@click.option(
    "--upto",
    type=click.IntRange(min=1),
    help="The largest size of the curve.  [default: 20,000 characters, 4,096 sentences]",
)
@click.option(
    "--chart", "drawing", type=click.Path(path_type=Path), help="Draw the ratios, or the curve, into this SVG file."
)
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What to run on, flair too."
)
@click.option("--trust", is_flag=True, help="Read object pickles too. They can run any code while they are read.")
@format_option
def command(
    spec: Path,
    file: Path | None,
    profiles: tuple[str, ...],
    rounds: int,
    single: int,
    compiled: bool,  # noqa: FBT001
    curve: str | None,
    upto: int | None,
    drawing: Path | None,
    device: str,
    trust: bool,  # noqa: FBT001 - click passes by name
    form: str,
) -> None:
    """Build the model of SPEC in several profiles and measure each side by side with flair.

    The text is FILE, one sentence a line, or the sentences of the spec's proof. Only the ratios of one run mean
    anything: all take turns on the same machine, with the same weights and text.

    A stack of exported files is measured side by side with ONNX Runtime on its parts, one after the other, on the
    inputs of its proof. SPEC may be a model there, beside the parts: it is measured as it is.
    """
    from assembler.benchmark import measure_curve
    from assembler.benchmark.chart import chart, curve_chart

    stack = stack_of(spec)
    if stack is not None:
        refuse_options_of_text(click.get_current_context())
        print_stack(stack, (profiles, rounds, drawing, form), trust=trust)
        return

    if upto is not None and curve is None:
        message = "--upto is the largest size of a curve: say --curve characters or --curve sentences"
        raise click.UsageError(message)
    if curve is not None and device != "cpu":
        message = "--curve measures the processor alone: leave out --device"
        raise click.UsageError(message)
    runs_on = _device(device)
    options = _Options(profiles or runs_on.profiles, rounds, trust, print_step)
    if curve is None:
        report = _measured(spec, file, runs_on, single=single, compiled=compiled, options=options)
        _save(drawing, lambda: chart(report))
        print_json(report.as_dict()) if form == "json" else _print(report)
        return
    grown = measure_curve(spec, curve, file, most=upto, **options._asdict())
    _save(drawing, lambda: curve_chart(grown))
    print_json(grown.as_dict()) if form == "json" else _print_curve(grown)


class _Options(NamedTuple):
    """The options that both ways of measuring share."""

    profiles: tuple[str, ...]
    rounds: int
    trust: bool
    progress: Progress


def _save(path: Path | None, drawn: Callable[[], str]) -> None:
    if path is not None:
        from assembler.core.atomic_files import write_text

        write_text(path, drawn())


def _print_curve(curve: Curve) -> None:
    names = [*(point.name for point in curve.points), *curve.left_out]
    width = max(map(len, names))
    click.echo(f"{'':<{width}}  {curve.of:>10}     seconds  µs a character  memory at most")
    for point in curve.points:
        click.echo(
            f"{point.name:<{width}}  {point.size:10}  {point.seconds:10.4f}  {point.microseconds:14.2f}  "
            f"{bytes_text(point.peak_memory):>14}"
        )
    for name, reason in curve.left_out.items():
        click.echo(one_line(f"{name} is left out: {reason}"))


def _device(name: str) -> Device:
    """Return a device that has shown that it runs."""
    from assembler.benchmark.device import PROCESSOR, DeviceError, gpu

    if name == "cpu":
        return PROCESSOR
    try:
        return gpu()
    except DeviceError as err:
        raise click.UsageError(str(err)) from err


def _measured(
    spec: Path, file: Path | None, device: Device, *, single: int, compiled: bool, options: _Options
) -> Report:
    from assembler.benchmark import measure
    from assembler.benchmark.device import DeviceError

    try:
        return measure(spec, file, one_at_a_time=single, compiled=compiled, device=device, **options._asdict())
    except DeviceError as err:
        raise click.UsageError(str(err)) from err


def _print(report: Report) -> None:
    click.echo(described(report.machine))
    click.echo(f"{report.sentences} sentences in batches")
    width = max(len(speed.name) for speed in report.speeds)
    second = max(len(speed.batch) for speed in report.speeds)
    columns = "sentences/s  ratio  of busy cores  (median)  ms: half  19 of 20  of peak  tags changed"
    click.echo(f"{'':<{width}}  {'':{second}}  {columns}")
    for speed in report.speeds:
        half = "" if speed.latency_median is None else f"{speed.latency_median:.1f}"
        most = "" if speed.latency_p95 is None else f"{speed.latency_p95:.1f}"
        click.echo(
            f"{speed.name:<{width}}  {speed.batch:{second}}  {speed.sentences_per_second:11.1f}  {speed.ratio:5.2f}  "
            f"{speed.processor_ratio:13.2f}  {speed.median_ratio:8.2f}  {half:>8}  {most:>8}  {speed.peak_share:7.0%}  "
            f"{speed.tags_changed}/{speed.tokens}"
        )
    if any(speed.name == "portable" for speed in report.speeds):
        click.echo("portable also represents a plain export: an LSTM operator for each layer, batches sorted by tokens")
    for entry in report.footprints:
        click.echo(_needs(entry))
    for name, reason in report.left_out.items():
        click.echo(one_line(f"{name} is left out: {reason}"))


def described(machine: Machine) -> str:
    """Return where it was measured."""
    words = f"{machine.processor}, {machine.cores} cores, {' '.join(machine.instructions)}"
    peak = f"float32 products at most {machine.peak:.0f} GFLOP/s"
    gpu = machine.accelerator
    if gpu is not None:
        versions = f"driver {gpu.driver}, CUDA {gpu.cuda}, cuDNN {gpu.cudnn}"
        words = f"{gpu.name}, {bytes_text(gpu.memory)}, {versions}; {words}"
        peak += " on the GPU, TF32 switched off on both sides"
    return f"{words}; {peak}; load {machine.load[0]} before, {machine.load[1]} after"


def _needs(entry: Footprint) -> str:
    alone = "" if entry.session_seconds is None else f" (ONNX Runtime alone {entry.session_seconds:.2f} s)"
    imports = f"beyond the {bytes_text(entry.import_memory)} of imports"
    memory = f"{bytes_text(entry.peak_memory)} of memory at most {imports}"
    device = f", {bytes_text(entry.device_memory)} of the GPU's" if entry.device_memory else ""
    return f"{entry.name}: {bytes_text(entry.size)}, ready in {entry.load_seconds:.2f} s{alone}, {memory}{device}"
