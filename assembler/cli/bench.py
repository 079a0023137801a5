"""`assemble bench`: measures a model side by side with flair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assembler.cli.reporting import bytes_text, format_option, print_json, print_step
from assembler.profiles import PROFILES

if TYPE_CHECKING:
    from assembler.benchmark import Report


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(list(PROFILES)),
    help="A profile to measure; several are allowed.  [default: portable, cpu, int8]",
)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Turns of each way.")
@click.option(
    "--single",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="How many sentences are tagged one at a time.",
)
@click.option("--chart", type=click.Path(path_type=Path), help="Draw the ratios into this SVG file.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What to run on.")
@click.option("--trust", is_flag=True, help="Read object pickles too. They can run any code while they are read.")
@format_option
def command(
    spec: Path,
    file: Path | None,
    profiles: tuple[str, ...],
    rounds: int,
    single: int,
    chart: Path | None,
    device: str,
    trust: bool,  # noqa: FBT001 - click passes by name
    form: str,
) -> None:
    """Build the model of SPEC in several profiles and measure each side by side with flair.

    The text is FILE, one sentence a line, or the sentences of the spec's proof. Only the ratios of one run mean
    anything: all take turns on the same machine, with the same weights and text.
    """
    from assembler.benchmark import measure

    if device == "cuda":
        _require_cuda()
    report = measure(
        spec,
        file,
        profiles=profiles or ("portable", "cpu", "int8"),
        rounds=rounds,
        one_at_a_time=single,
        trust=trust,
        progress=print_step,
    )
    if chart is not None:
        from assembler.benchmark.chart import chart as drawn
        from assembler.staging import write_text

        write_text(chart, drawn(report))
    if form == "json":
        print_json(report.as_dict())
        return
    _print(report)


def _require_cuda() -> None:
    """Refuse to measure where nothing could run, and where nothing has been measured yet."""
    import onnxruntime as ort

    available = ort.get_available_providers()
    if "CUDAExecutionProvider" not in available:
        message = (
            f"this ONNX Runtime has no CUDAExecutionProvider, only {', '.join(available)}: install onnxruntime-gpu"
        )
        raise click.UsageError(message)
    message = (
        "measuring on a GPU is not there yet: Tagger(…, providers=['CUDAExecutionProvider']) runs the profile cuda"
    )
    raise click.UsageError(message)


def _print(report: Report) -> None:
    machine = report.machine
    click.echo(
        f"{machine.processor}, {machine.cores} cores, {' '.join(machine.instructions)}; float32 products at most "
        f"{machine.peak:.0f} GFLOP/s; load {machine.load[0]} before, {machine.load[1]} after"
    )
    click.echo(f"{report.sentences} sentences in batches")
    width = max(len(speed.name) for speed in report.speeds)
    columns = "sentences/s  ratio  of busy cores  (median)  ms: half  19 of 20  of peak  tags changed"
    click.echo(f"{'':<{width}}  {'':13}  {columns}")
    for speed in report.speeds:
        half = "" if speed.latency_median is None else f"{speed.latency_median:.1f}"
        most = "" if speed.latency_p95 is None else f"{speed.latency_p95:.1f}"
        click.echo(
            f"{speed.name:<{width}}  {speed.batch:13}  {speed.sentences_per_second:11.1f}  {speed.ratio:5.2f}  "
            f"{speed.processor_ratio:13.2f}  {speed.median_ratio:8.2f}  {half:>8}  {most:>8}  {speed.peak_share:7.0%}  "
            f"{speed.tags_changed}/{speed.tokens}"
        )
    for entry in report.footprints:
        click.echo(
            f"{entry.name}: {bytes_text(entry.size)}, ready in {entry.load_seconds:.2f} s (ONNX Runtime alone "
            f"{entry.session_seconds:.2f} s), {bytes_text(entry.peak_memory)} of memory at most"
        )
    for name, reason in report.left_out.items():
        click.echo(f"{name} is left out: {reason}")
