"""What installed packages publish for us through entry points."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, TypeVar

from assembler.core.errors import SpecError
from assembler.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The errors that importing a broken package can raise.
_BROKEN = (ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError, RuntimeError, OSError)

_Published = TypeVar("_Published")


def published(group: str, wanted: type[_Published], code: str) -> Iterator[tuple[str, _Published]]:
    """Yield the objects of a group's entry points, by their own names, each with its name for problems.

    Args:
        group: The group.
        wanted: The class of the published objects.
        code: The code of the problem for an object of another class.

    Raises:
        SpecError: An entry point cannot be loaded, or names something else.
    """
    for entry in sorted(metadata.entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        origin = f"entry point '{entry.name}' = '{entry.value}'"
        try:
            found = entry.load()
        except _BROKEN as err:
            message = f"{origin} of the group '{group}' cannot be loaded: {err}"
            raise SpecError(Problem(code, message, "mend or uninstall the package that publishes it")) from err
        if not isinstance(found, wanted):
            message = f"{origin} of the group '{group}' is a {type(found).__name__}, not a {wanted.__name__}"
            raise SpecError(Problem(code, message, f"publish an assembler.{wanted.__name__} object"))
        yield origin, found
