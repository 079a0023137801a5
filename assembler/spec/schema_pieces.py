"""Pieces of JSON Schema that several keys of the spec language share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.values import Value

#: The keys that anybody may add to a mapping.
FREE: Mapping[str, Value] = {"^x-": {"description": "Free for you: the assembler does not read it."}}


def text(description: str, example: str) -> dict[str, Value]:
    """Return the schema of a text."""
    return {"type": "string", "description": description, "examples": [example]}


def mapping(
    description: str, item: dict[str, Value], example: Value, *, least: int = 0, names: str = f"{NAME}|^x-"
) -> dict[str, Value]:
    """Return the schema of a mapping from names to items.

    Args:
        description: What it is.
        item: The schema of each value.
        example: A mapping.
        least: How many entries it has at least.
        names: The pattern of its keys.
    """
    return {
        "type": "object",
        "description": description,
        "examples": [example],
        "minProperties": least,
        "propertyNames": {"pattern": names},
        "patternProperties": dict(FREE),
        "additionalProperties": item,
    }
