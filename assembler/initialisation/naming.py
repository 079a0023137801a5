"""Names and texts as YAML."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.spec.yaml_text import parse

if TYPE_CHECKING:
    from collections.abc import Iterable


def quoted(text: str) -> str:
    """Return text as YAML, in quotes if our own reader would take it for something else without them."""
    plain = re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_./@-]*", text) and parse(f"[{text}]", "").root == [text]
    return text if plain else in_quotes(text)


def in_quotes(text: str) -> str:
    """Return text in double quotes.

    JSON's escapes are YAML's; characters that JSON leaves plain but YAML forbids are escaped.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in quoted)


def _escaped(letter: str) -> str:
    return f"\\U{ord(letter):08X}"


def stack_name(given: str) -> str:
    """Return a name for the stack of a source, or for that of a spec without its suffix."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(given).name.removesuffix(".pt").removesuffix(".bin")).strip("-._")
    return name[:100] or "stack"


def joined_name(given: Iterable[str]) -> str:
    """Return a name for the stack of several sources."""
    return "-".join(dict.fromkeys(map(stack_name, given)))[:100].rstrip("-._")
