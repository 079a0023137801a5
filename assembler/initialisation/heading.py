"""The beginning of a spec: its name, its source and its inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assembler.initialisation.naming import quoted

if TYPE_CHECKING:
    from assembler.sources.flair_checkpoint import FlairSource


def head_lines(opened: FlairSource, given: str, name: str, description: str) -> list[str]:
    """Return the lines in front of the inputs."""
    location = Path(given).as_posix()
    revision = f", revision: {quoted(opened.source.revision)}" if opened.source.revision else ""
    return [
        "version: 1",
        f"name: {quoted(name)}",
        f"description: {description}",
        "",
        "# The digest pins the file: another one under the same name is refused.",
        "sources:",
        f"  tagger: {{flair: {quoted(location)}{revision}, sha256: {opened.digest}}}",
        "",
    ]


def input_lines(shapes: dict[str, str]) -> list[str]:
    """Return the inputs, those of lengths last, as hosts know them."""
    last = [name for name in shapes if name.endswith(("Lengths", "lengths"))]
    order = [*(name for name in shapes if name not in last), *last]
    width = max(map(len, order)) + 1
    return ["inputs:", *(f"  {f'{name}:':<{width}} {{type: int64, shape: {shapes[name]}}}" for name in order)]
