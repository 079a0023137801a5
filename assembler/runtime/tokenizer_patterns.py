"""Decides which regular expressions of a stored tokeniser may run.

The library `tokenizers` runs them with Oniguruma, which abandons a match after ten million steps, but tries again at
the next character: 2,000 characters took half a minute, and each doubling takes eight times as long. So an expression
must be one of released tokenisers, or so plain that it costs no more than the square of a text's length.
"""

from __future__ import annotations

import re

_ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s+(?!\S)|\s+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+"
_LINES = rf"{_SIGNS}[\r\n]*|\s*[\r\n]+|{_SPACES}"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASES = rf"{_BEFORE}{_UPPER}*{_LOWER}+{_ENDINGS}?|{_BEFORE}{_UPPER}+{_LOWER}*{_ENDINGS}?"
_KNOWN = frozenset(
    [
        rf"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+| ?\p{{N}}+|{_SIGNS}|{_SPACES}",  # GPT-2
        rf"'(?:[sdmt]|ll|ve|re)| ?\p{{L}}+| ?\p{{N}}+|{_SIGNS}|{_SPACES}",  # GPT-2, as tiktoken writes it
        r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",  # CLIP
        rf"{_ENDINGS}|{_BEFORE}\p{{L}}+|\p{{N}}{{1,3}}|{_LINES}",  # GPT-4, Llama 3
        rf"{_ENDINGS}|{_BEFORE}\p{{L}}+|\p{{N}}|{_LINES}",  # Qwen 2 and 3
        rf"{_CASES}|\p{{N}}{{1,3}}|{_SIGNS}[\r\n/]*|\s*[\r\n]+|{_SPACES}",  # GPT-4o
    ]
)
#: A character, an escape that is not a reference to a group, or the content of a class.
_ATOM = r"(?:\\[pP]\{\^?\w+\}|\\[^1-9kgKXRpP]|[^\\()|*+?{}])"
_PLAIN = re.compile(rf"{_ATOM}*\??{_ATOM}*(?:[*+]|\{{\d+(?:,\d*)?\}})?{_ATOM}*", re.DOTALL)
_LONGEST = 100


def is_bounded(pattern: str) -> bool:
    """Return whether a regular expression costs at most the square of the text's length.

    A plain one has no groups and no alternatives, at most one optional character and one that is repeated.
    """
    return pattern in _KNOWN or (len(pattern) <= _LONGEST and _PLAIN.fullmatch(pattern) is not None)
