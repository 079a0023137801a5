"""Notices text that was not split into tokens, where tokens are expected. Its tags would be silently wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A word of three letters with a sign right after it. Shorter ones are more often abbreviations.
_GLUED = re.compile(r"[^\W\d_]{3,}[.!?,;:](?:\s|$)")
_ENDS = re.compile(r"[^\W\d_]{2,}[.!?]+\s+\w")
#: A sign on its own: this line was split.
_SPLIT = re.compile(r"(?:^| )[^\w\s]+(?: |$)")
_LONG = 200


def noticed(lines: Iterator[str], name: str) -> Iterator[str]:
    """Yield the lines, and report on stderr, once, the first that looks like raw text."""
    said = False
    for number, line in enumerate(lines, 1):
        reason = None if said else _reason(line)
        if reason is not None:
            said = True
            advice = "expected are tokens between spaces, one sentence a line; for raw text: --tokenizer segtok"
            click.echo(f"{name}:{number}: note: {reason}; {advice}", err=True)
        yield line


def _reason(line: str) -> str | None:
    if "\t" in line:
        return "it has a tab, which is a character of its token here"
    if len(line) > _LONG and " " not in line.strip():
        return "it is one token, for it has no space"
    if _SPLIT.search(line):
        return None
    if _ENDS.search(line):
        return "it looks like several sentences"
    return "punctuation comes right after a word" if _GLUED.search(line) else None
