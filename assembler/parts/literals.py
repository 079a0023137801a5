"""The JSON Schema of values that are written in a spec: a number, a text, or nested lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.core.values import Value

#: The most axes that written values may have.
MOST_AXES = 4
_SCALARS: list[Value] = ["number", "boolean", "string"]


def literal(axes: int = MOST_AXES) -> dict[str, Value]:
    """Return the schema of a value with some axes at most."""
    return {"type": [*_SCALARS, "array"], "items": literal(axes - 1)} if axes else {"type": _SCALARS}
