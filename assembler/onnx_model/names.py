"""The authority over names: it makes fresh ones, and refuses names that are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class NameTakenError(ValueError):
    """Two things would have one name."""

    def __init__(self, name: str) -> None:
        """Name what is taken."""
        super().__init__(f"the name '{name}' is taken")
        self.name = name


class Names:
    """The names of one kind of thing in a graph: of its tensors, or of its operators.

    A name is taken by the thing that has it, or reserved by the code that requested a fresh one. A reserved name can be
    claimed once, and is never reserved again.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Begin with the names that are there."""
        self._taken = set(taken)
        self._reserved: set[str] = set()

    def take(self, names: Iterable[str]) -> None:
        """Note the names of a graph, which may have one twice: two branches of an `If` do not see each other."""
        self._taken.update(names)

    def is_taken(self, name: str) -> bool:
        """Return whether something has a name."""
        return name in self._taken

    def claim(self, name: str) -> str:
        """Take a name and return it.

        Raises:
            NameTakenError: Something has it.
        """
        if name in self._taken:
            raise NameTakenError(name)
        self._taken.add(name)
        return name

    def release(self, names: Iterable[str]) -> None:
        """Release the names of removed things, so that their replacements can have them."""
        self._taken.difference_update(names)

    def fresh(self, name: str) -> str:
        """Reserve a name that nothing has, and return it: the wanted one, or one with a number after it."""
        return self._reserve(name, lambda found: found in self._taken)

    def scope(self, name: str) -> str:
        """Reserve a name that nothing has, nor begins with: whatever is named `scope/…` is then the caller's own."""
        known = self._taken | self._reserved

        def is_taken(found: str) -> bool:
            return found in known or any(each.startswith((f"{found}/", f"{found}:")) for each in known)

        return self._reserve(name, is_taken)

    def _reserve(self, name: str, is_taken: Callable[[str], bool]) -> str:
        number, found = 1, name
        while found in self._reserved or is_taken(found):
            number += 1
            found = f"{name}~{number}"
        self._reserved.add(found)
        return found
