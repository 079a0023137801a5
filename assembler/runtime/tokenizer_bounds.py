"""Checks that the output and the time of a stored tokeniser are in proportion to the text.

The library `tokenizers` runs all steps that its JSON lists, one after another, on the whole text. Thirty steps that
each double a character turn one into 2^30. The names of steps are those of the library's serialisation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from assembler.runtime.tokenizer_patterns import is_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Tokenisers of released encoders have at most seven steps of one sort.
_MOST_STEPS = 16
#: How many times as long a text may become. ALBERT's two compatibility forms may make 18 * 18 of one character.
_MOST_GROWTH = 1000
#: XLM-R's map of characters has 316,720 characters of Base64.
_LONGEST_MAP = 1_000_000
#: The number of characters of an expression that are shown.
_SHOWN = 100
#: U+FDFA becomes 18 characters in compatibility forms, and no character becomes more.
_GROWTH: Mapping[str, int] = {"NFKC": 18, "NFKD": 18, "Precompiled": 18, "Nmt": 1, "ByteLevel": 2}
_INNER: Mapping[str, str] = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}


def unbounded_steps(tokenizer: object) -> str | None:
    """Return what is wrong with the steps of a tokeniser before its model, or `None`.

    Args:
        tokenizer: The parsed JSON of the library `tokenizers`. The library reports other errors in it.
    """
    for sort, inner in _INNER.items():
        steps = []
        for step in _steps(tokenizer.get(sort) if isinstance(tokenizer, dict) else None, inner):
            steps.append(step)
            if len(steps) > _MOST_STEPS:
                return f"its {sort} has more than {_MOST_STEPS} steps"
        if (pattern := next(filter(None, map(_unbounded_pattern, steps)), None)) is not None:
            return f"its {sort} has a regular expression that no known tokeniser has, and no bound: {pattern}"
        if math.prod(map(_growth, steps)) > _MOST_GROWTH:
            return f"its {sort} can make a text more than {_MOST_GROWTH} times as long"
    return None


def _steps(step: object, inner: str) -> Iterator[Mapping[str, object]]:
    """Yield the steps in their order. Sequences may contain sequences."""
    waiting = [step]
    while waiting:
        here = waiting.pop()
        if not isinstance(here, dict):
            continue
        yield here
        within = here.get(inner)
        if here.get("type") == "Sequence" and isinstance(within, list):
            waiting.extend(reversed(within[: _MOST_STEPS + 1]))


def _unbounded_pattern(step: Mapping[str, object]) -> str | None:
    """Return the beginning of a step's regular expression if nothing bounds its cost."""
    pattern = step.get("pattern")
    expression = pattern.get("Regex") if isinstance(pattern, dict) else None
    return ascii(expression[:_SHOWN]) if isinstance(expression, str) and not is_bounded(expression) else None


def _growth(step: Mapping[str, object]) -> float:
    kind = step.get("type")
    if kind == "Replace":
        content, pattern = step.get("content"), step.get("pattern")
        plain = pattern.get("String") if isinstance(pattern, dict) else None
        least = len(plain) if isinstance(plain, str) else 1  # an expression may match one character, or none
        return max(1, len(content) / max(least, 1)) if isinstance(content, str) else 1
    characters = step.get("precompiled_charsmap")
    if isinstance(characters, str) and len(characters) > _LONGEST_MAP:
        return math.inf
    return _GROWTH.get(kind, 1) if isinstance(kind, str) else 1
