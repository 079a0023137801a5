"""`assemble inspect`: shows what is in a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assembler.cli.printing import bytes_text, format_option, one_line, print_json
from assembler.runtime.operator_libraries import packages_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.workflows.foreign_file import ForeignFile
    from assembler.workflows.inspection import Inspection

#: The length to which a value of the metadata is shortened.
_SHOWN = 100


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--metadata",
    is_flag=True,
    help="Print the model's metadata as one JSON document, for hosts whose ONNX Runtime cannot read it (JavaScript).",
)
@format_option
def command(model: Path, metadata: bool, form: str) -> None:  # noqa: FBT001 - click passes options by name
    """Show the interface, parts, labels, sources, sizes and versions of MODEL.

    Of an ONNX file that `assemble` did not write, show its ports, opsets, operators and weights.
    """
    from assembler.workflows.foreign_file import is_foreign, look_at
    from assembler.workflows.inspection import inspect, model_entries, model_header

    header = model_header(model)
    if metadata:
        print_json(dict(model_entries(model, header)))
        return
    if is_foreign(header):
        foreign = look_at(model, header)
        print_json(foreign.as_dict()) if form == "json" else _print_foreign(foreign)
        return
    found = inspect(model)
    if form == "json":
        print_json(found.as_dict())
    else:
        _print(found)


def _print(found: Inspection) -> None:
    _echo(f"{found.path}: {found.name}, {bytes_text(found.size)}, opset {found.opset}, profile {found.profile}")
    if found.description:
        first, *further = found.description.splitlines() or [""]
        _echo(first, *(f"  {line}" for line in further))
    _section("inputs", [(name, text, fill) for name, text, fill in found.inputs])
    _section("outputs", found.outputs)
    _section(
        "parts",
        [
            (part.name, part.kind, f"{part.parameters:,} weights" if part.parameters else "", part.weights or "")
            for part in found.parts
        ],
    )
    _section("metadata of parts", [(part, key, value[:_SHOWN]) for part, key, value in found.part_metadata])
    _section("language models", found.language_models)
    _section("vocabularies", found.vocabularies)
    if len(found.tasks) > 1:
        _section("tasks", found.tasks)
    elif found.labels:
        _echo("", f"labels ({len(found.labels)}, {found.label_type}{', spans' if found.spans else ''})")
        _echo(f"  {' '.join(found.labels)}")
    _section("sources", found.sources)
    _echo("", "proof", f"  {found.proof}")
    _section("operators beyond ONNX's own", [*_foreign(found.operators)])
    _section("engines", found.engines)
    _section("versions", list(found.versions.items()))


def _foreign(operators: Mapping[str, list[str]]) -> Iterator[tuple[str, ...]]:
    """Yield each operator domain with its operators, and the package that has them."""
    packages = packages_of(operators)
    for domain, own in operators.items():
        yield (domain, ", ".join(own), *([f"of the package {packages[domain]}"] if domain in packages else []))


def _print_foreign(found: ForeignFile) -> None:
    by = f", written by {found.producer}" if found.producer else ""
    _echo(f"{found.path}: {bytes_text(found.size)}, {found.weights:,} weights{by}; `assemble` did not write it")
    opsets = ", ".join(f"{domain} {version}" for domain, version in found.opsets.items())
    _echo(f"opsets {opsets}; version {found.ir_version} of the format")
    _section("inputs", found.inputs)
    _section("inputs that need not be fed", found.defaults)
    _section("outputs", found.outputs)
    counts = [f"{name} {count}" for name, count in found.operators.items()]
    _echo("", f"operators ({sum(found.operators.values())})", f"  {', '.join(counts)}")
    if found.functions:
        _echo(f"  and {found.functions} local functions")
    _section("operators beyond ONNX's own", [*_foreign(found.beyond)])
    _section("metadata", [(key, value[:_SHOWN]) for key, value in found.metadata.items()])
    _section("engines", found.engines)
    _echo("", "in a stack", *(f"  {line}" for line in found.parts))


def _section(title: str, rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    _echo("", title)
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        _echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _echo(line: str, *further: str) -> None:
    """Print text from the model, which a stranger may have written: exactly one line for each."""
    for each in (line, *further):
        click.echo(one_line(each))
