"""Problems: what is wrong, where it is, and what to do about it."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file. Lines and columns count from 1, columns in code points."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person has to fix.

    Attributes:
        code: A letter for the layer and a number; `docs/problems.md` lists them all. Codes never change their meaning.
        message: One sentence: the value that was found and the expected one.
        hint: What to do next, often the nearest valid name.
        file: The file at fault, as the caller named it.
        line: Line in the file, from 1; `None` if the file has no lines.
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
        """Return a problem at `mark`."""
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


#: The most comparisons of two names that the problems of one layer may cost, some 20 µs each.
_MOST_COMPARISONS = 20_000
#: Longer names are found only if they differ in nothing but case.
_LONGEST_COMPARED = 100
#: The number of names that a hint lists if none is near.
_MOST_LISTED, _LONGEST_LIST = 40, 1000


class Known:
    """Candidates for a misspelled name, sorted once for any number of guesses."""

    def __init__(self, names: Iterable[str]) -> None:
        """Sort the names."""
        self.names = sorted(set(names))
        self._folded = {name.casefold(): name for name in self.names}

    def equal(self, name: str) -> str | None:
        """Return the name that differs in its case alone."""
        return self._folded.get(name.casefold())

    def listed(self) -> str:
        """Return the names, or the first of them and how many more there are."""
        return listed(self.names)


def listed(names: Sequence[str]) -> str:
    """Return names for a message, or the first of them and how many more there are."""
    shown: list[str] = []
    length = 0
    for name in names[:_MOST_LISTED]:
        length += len(name)
        if length > _LONGEST_LIST and shown:
            break
        shown.append(name if len(name) <= _LONGEST_COMPARED else f"{name[:_LONGEST_COMPARED]}…")
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


class Guesses:
    """Guesses at the intended names. Their number is limited, so that a text full of mistakes does not take minutes."""

    def __init__(self) -> None:
        """Begin with all guesses left."""
        self._left = _MOST_COMPARISONS

    @property
    def spent(self) -> bool:
        """Whether names are no longer compared."""
        return self._left <= 0

    def nearest(self, name: str, known: Known) -> str | None:
        """Return the name that was most likely meant, or `None` if nothing is close or all guesses are spent."""
        if (equal := known.equal(name)) is not None or self.spent or len(name) > _LONGEST_COMPARED:
            return equal
        self._left -= len(known.names)
        candidates = [candidate for candidate in known.names[:_MOST_COMPARISONS] if len(candidate) <= _LONGEST_COMPARED]
        matches = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
        return matches[0] if matches else None

    def suggest(self, name: str, known: Known, *, what: str = "known names") -> str:
        """Return a hint: the nearest name, or the existing names if none is near."""
        match = self.nearest(name, known)
        if match is not None:
            return f"did you mean '{match}'?"
        return f"{what}: {known.listed()}" if known.names else f"there are no {what} here"


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was most likely meant to be, or `None` if nothing is close."""
    return Guesses().nearest(name, Known(candidates))


def suggest(name: str, candidates: Iterable[str], *, what: str = "known names") -> str:
    """Return a hint: the nearest of the candidates, or all of them if none is near."""
    return Guesses().suggest(name, Known(candidates), what=what)
