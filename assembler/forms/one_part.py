"""A source that is one part, as a whole: it has no parts of its own, and no labels of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from assembler.forms.opened import SourceModel
    from assembler.forms.source import Source


class OnePart:
    """The methods of an opened source that is its only part; what it computes is up to the form."""

    __slots__ = ()

    source: Source

    def paths(self) -> tuple[str, ...]:
        """Return the name of the source."""
        return (self.source.name,)

    def weights(self, path: str) -> Self | None:
        """Return the source itself, which is the only part."""
        return self if path == self.source.name else None

    def models(self) -> tuple[SourceModel, ...]:
        """Return nothing: it is not known what its outputs decide."""
        return ()

    def facts(self) -> Mapping[str, int]:
        """Return nothing: the sizes are in the types of its ports."""
        return {}
