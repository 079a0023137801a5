"""A source as its form sees it: its entry in the spec, and the setting in which it is read."""

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
        form: The name of its form, which is the key before the location in the spec.
        location: A path relative to the spec, or a name that the form knows.
        sha256: The digest that the file must have, in lower-case hex, or `None`.
        mark: Where the location is.
        options: The values of the form's other keys in the spec.
    """

    name: str
    form: str
    location: str
    sha256: str | None
    mark: Mark
    options: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def revision(self) -> str | None:
        """The revision of a model that is fetched by its name, or `None`."""
        revision = self.options.get("revision")
        return None if revision is None else str(revision)


@dataclass(frozen=True, slots=True)
class Nesting:
    """The specs that contain a source, because a spec can be a source of another.

    Attributes:
        files: Their files, the outermost first.
        read: The file of each inner spec, as often as it was read. All specs of a stack share it.
    """

    files: tuple[Path, ...] = ()
    read: list[Path] = field(default_factory=list)

    def inside(self, file: Path) -> Nesting:
        """Return the nesting of the sources of a spec; the outermost starts a new count."""
        return Nesting((*self.files, file), self.read if self.files else [])


@dataclass(frozen=True, slots=True)
class Setting:
    """The setting in which a source is read.

    Attributes:
        folder: The folder to which its path is relative.
        opset: The ONNX opset at which the model is emitted.
        trust: Whether files that can run code when they are read are allowed.
        confined: Whether no file outside the folder may be opened (`check --strict`).
        proven: Whether the model will be compared with the outputs of the source itself.
        nesting: The specs that contain the source.
    """

    folder: Path
    opset: int
    trust: bool = False
    confined: bool = False
    proven: bool = True
    nesting: Nesting = field(default_factory=Nesting)
