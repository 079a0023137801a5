"""What the specs of checkpoints begin and end with: their sources, their inputs, and their proof."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.initialisation.draft import Input

#: The comment on the sources.
PINNED = "The digest pins the file: another one under the same name is refused."
_PROVEN = "Name a file of your own sentences here to prove the model on your kind of text as well:"
_FORM = "one a line, tokens separated by spaces"


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A checkpoint.

    Attributes:
        opened: The source that was read.
        location: Its path, as written in the spec.
    """

    opened: FlairSource
    location: str

    def keys(self) -> dict[str, str]:
        """Return the keys of the source, with the digest that pins it."""
        source = self.opened.source
        revision = {"revision": source.revision} if source.revision else {}
        return {"flair": Path(self.location).as_posix(), **revision, "sha256": self.opened.digest}


def sources(given: Sequence[Given]) -> Mapping[str, Mapping[str, str]]:
    """Return the keys of each source."""
    return {each.opened.source.name: each.keys() for each in given}


def lengths_last(inputs: Iterable[Input]) -> list[Input]:
    """Return the inputs, those of lengths last, as hosts know them."""
    return sorted(inputs, key=lambda entry: entry.name.endswith(("Lengths", "lengths")))


def compared(given: Sequence[Given]) -> tuple[str, tuple[str, ...]]:
    """Return the source with which the model is compared, if there is one, and the comments on the proof."""
    against = given[0].opened.source.name if len(given) == 1 else ""  # of several, each head has its own source
    named = f"against: {against}, " if against else ""
    return against, (_PROVEN, f"proof: {{{named}sentences: sentences.txt}}   # {_FORM}")
