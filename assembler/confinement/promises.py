"""What a confined process cannot do, and what of it is in force here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from assembler.isolation.frames import DamagedFrameError, Frame

if TYPE_CHECKING:
    from collections.abc import Mapping


class Promise(Enum):
    """Something that a confined process cannot do; the value says so."""

    NETWORK = "no network"
    READING = "no reading but of the libraries"
    WRITING = "no writing to files"
    PROCESSES = "no other process"


@dataclass(frozen=True, slots=True)
class Held:
    """What is in force.

    Attributes:
        promises: The promises that were tried and hold.
        means: By what: `namespaces`, `Landlock`, `seccomp`.
    """

    promises: tuple[Promise, ...]
    means: tuple[str, ...]

    @classmethod
    def of(cls, tried: Mapping[Promise, bool], *, namespaces: bool, landlock: bool, seccomp: bool) -> Held:
        """Return what was found."""
        means = (("namespaces", namespaces), ("Landlock", landlock), ("seccomp", seccomp))
        return cls(tuple(each for each in Promise if tried[each]), tuple(name for name, there in means if there))

    def missing(self) -> tuple[Promise, ...]:
        """Return the promises that do not hold here."""
        return tuple(each for each in Promise if each not in self.promises)

    def frame(self) -> Frame:
        """Return it as a message."""
        return Frame({"promises": [each.name for each in self.promises], "means": list(self.means)})

    @classmethod
    def read(cls, frame: Frame) -> Held:
        """Return what a message says.

        Raises:
            DamagedFrameError: It says something else.
        """
        try:
            promises = tuple(Promise[name] for name in frame.words["promises"])
            return cls(promises, tuple(str(each) for each in frame.words["means"]))
        except (LookupError, TypeError) as err:
            message = "it does not say what is in force"
            raise DamagedFrameError(message) from err

    def __str__(self) -> str:
        """Return it in words."""
        promises = ", ".join(each.value for each in self.promises) or "nothing"
        return f"{promises} (by {', '.join(self.means)})" if self.means else promises
