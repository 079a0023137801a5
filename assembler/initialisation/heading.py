"""The beginning of a spec: its name, its source and its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.initialisation.naming import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A checkpoint.

    Attributes:
        opened: It, read.
        location: Its path, as written in the spec.
    """

    opened: FlairSource
    location: str

    def line(self) -> str:
        """Return the line of the source."""
        source = self.opened.source
        revision = f", revision: {quoted(source.revision)}" if source.revision else ""
        location = quoted(Path(self.location).as_posix())
        return f"  {source.name}: {{flair: {location}{revision}, sha256: {self.opened.digest}}}"


def head_lines(given: Sequence[Given], name: str, description: str) -> list[str]:
    """Return the lines in front of the inputs."""
    return [
        "version: 1",
        f"name: {quoted(name)}",
        f"description: {description}",
        "",
        "# The digest pins the file: another one under the same name is refused.",
        "sources:",
        *(each.line() for each in given),
        "",
    ]


def input_lines(shapes: dict[str, str]) -> list[str]:
    """Return the inputs, those of lengths last, as hosts know them."""
    last = [name for name in shapes if name.endswith(("Lengths", "lengths"))]
    order = [*(name for name in shapes if name not in last), *last]
    width = max(map(len, order)) + 1
    return ["inputs:", *(f"  {f'{name}:':<{width}} {{type: int64, shape: {shapes[name]}}}" for name in order)]
