"""Problems: what is wrong, where it stands, and what to do about it."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file. Lines and columns count from 1, columns in code points."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person has to mend.

    Attributes:
        code: A letter for the layer and a number; `docs/problems.md` lists them all. Codes never change their meaning.
        message: One sentence: what was got and what was expected.
        hint: What to do next, often the nearest valid name.
        file: The file at fault, as the caller named it.
        line: Line in the file, from 1; `None` where the file has no lines.
        column: Column in the line, from 1, in code points.
    """

    code: str
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    @classmethod
    def at(cls, mark: Mark, code: str, message: str, hint: str | None = None) -> Problem:
        """Return a problem that stands at `mark`."""
        return cls(code, message, hint, mark.file, mark.line, mark.column)

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the record that `--format json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return `file:line:column: CODE message`, and the hint on a line of its own."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = f"{place}: {self.code} {self.message}" if place else f"{self.code} {self.message}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems by place, then by code, each once."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.file or "", p.line or 0, p.column or 0, p.code, p.message)))


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was most likely meant to be, or `None` if nothing is close."""
    known = sorted(set(candidates))
    folded = {candidate.casefold(): candidate for candidate in known}
    if name.casefold() in folded:
        return folded[name.casefold()]
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggest(name: str, candidates: Iterable[str], *, what: str = "known names") -> str:
    """Return a hint: the nearest of the candidates, or all of them where none is near."""
    known = sorted(set(candidates))
    match = nearest(name, known)
    if match is not None:
        return f"did you mean '{match}'?"
    return f"{what}: {', '.join(known)}" if known else f"there are no {what} here"
