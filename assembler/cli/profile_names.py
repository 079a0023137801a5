"""The names of profiles on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from assembler.core.problems import nearest
from assembler.passes.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    Given = TypeVar("Given", str | None, tuple[str, ...])

#: What people say for a profile that has another name, where the nearest name by spelling is a wrong one.
_ALSO: Mapping[str, str] = {"gpu": "cuda"}


def known_profiles(ctx: click.Context, param: click.Parameter, given: Given) -> Given:  # noqa: ARG001 - click's callback
    """Return the names that an option was given, or refuse one that does not exist as wrong usage."""
    names = given if isinstance(given, tuple) else [given]
    unknown = next((name for name in names if name is not None and name not in PROFILES), None)
    if unknown is not None:
        match = _ALSO.get(unknown.casefold()) or nearest(unknown, PROFILES)
        meant = f" Did you mean '{match}'?" if match else ""
        message = f"there is no profile '{unknown}'.{meant} Profiles: {', '.join(PROFILES)}"
        raise click.BadParameter(message)
    return given
