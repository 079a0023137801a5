"""A source as its form sees it: what the spec says of it, and what it is read in."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.core.problems import Mark
    from assembler.core.values import Value


@dataclass(frozen=True, slots=True)
class Source:
    """Where weights come from.

    Attributes:
        name: The name the graph uses.
        form: The name of its form, which is the key that the spec writes before the location.
        location: A path relative to the spec, or where the form has them a name that it knows.
        sha256: The digest that the file must have, in lower-case hex, or `None`.
        mark: Where the location stands.
        options: What the spec says under the form's other keys.
    """

    name: str
    form: str
    location: str
    sha256: str | None
    mark: Mark
    options: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def revision(self) -> str | None:
        """The revision of what is fetched by a name, or `None`."""
        revision = self.options.get("revision")
        return None if revision is None else str(revision)


@dataclass(frozen=True, slots=True)
class Nesting:
    """The specs that a source is in: a spec can be a source of another.

    Attributes:
        files: Their files, the outermost first.
        read: The file of each inner spec that was read, as often as it was. All specs of a stack share it.
    """

    files: tuple[Path, ...] = ()
    read: list[Path] = field(default_factory=list)

    def inside(self, file: Path) -> Nesting:
        """Return the nesting of the sources of a spec; the outermost begins to count anew."""
        return Nesting((*self.files, file), self.read if self.files else [])


@dataclass(frozen=True, slots=True)
class Setting:
    """What a source is read in.

    Attributes:
        folder: The folder that its path is relative to.
        opset: The ONNX opset that the model is emitted at.
        trust: Whether what can run code when it is read may be read.
        confined: Whether no file outside the folder may be opened (`check --strict`).
        proven: Whether the model will be compared with what the source itself gives.
        nesting: The specs that the source is in.
    """

    folder: Path
    opset: int
    trust: bool = False
    confined: bool = False
    proven: bool = True
    nesting: Nesting = field(default_factory=Nesting)
