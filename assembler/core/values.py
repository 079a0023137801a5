"""Plain values, which YAML and JSON can express."""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"
