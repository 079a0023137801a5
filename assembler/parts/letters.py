"""Facts on code points as Python has them: flair lower-cases, finds digits and strips white space by these.

The facts are those of the Python that builds a model. Another release of Python may know more letters.
"""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What "İ" is lower-cased to besides "i": the only code point that becomes two.
DOT_ABOVE = 0x307
CAPITAL_I_WITH_DOT, CAPITAL_SIGMA, FINAL_SIGMA = 0x130, 0x3A3, 0x3C2
#: What decides how "Σ" is lower-cased: letters, and characters that are looked past.
CASED, IGNORED = 1, 2
#: The code points that can be letters with a case, marks, digits or white space. All others are ideographs, syllables
#: of Hangul, halves of surrogate pairs, of private use, or in planes that hold nothing else.
_KNOWN = "".join(
    chr(code)
    for first, end in (
        (0, 0x3400), (0x4DC0, 0x4E00), (0xA000, 0xAC00), (0xD7B0, 0xD800), (0xF900, 0x20000), (0xE0000, 0xE0200)
    )
    for code in range(first, end)
)  # fmt: skip


@cache
def lower_steps() -> Mapping[int, int]:
    """Return how far the lower case of a code point is from it, of those that have another one.

    "İ" is led to its first character, and "Σ" to what it is within a word.
    """
    lowered = {letter: letter.lower()[0] for letter in _KNOWN}
    return MappingProxyType({ord(letter): ord(low) - ord(letter) for letter, low in lowered.items() if low != letter})


@cache
def sigma_contexts() -> Mapping[int, int]:
    """Return the code points beside which "Σ" may be another letter: `CASED` or `IGNORED`.

    "Σ" ends a word if a letter is before it and none behind it, both beyond characters that are looked past
    (`handle_capital_sigma` of CPython's unicodeobject.c). What Python says of "AxΣ" and ".xΣ" shows what "x" is.
    """
    after_letter, after_stop = (_ends_word(before) for before in "A.")
    found = {code: CASED if code in after_stop else IGNORED for code in sorted(after_letter)}
    return MappingProxyType(found)


def _ends_word(before: str) -> frozenset[int]:
    """Return the code points between a character and "Σ" with which "Σ" ends a word."""
    sigma = chr(CAPITAL_SIGMA)
    return frozenset(ord(letter) for letter in _KNOWN if (before + letter + sigma).lower()[-1] == chr(FINAL_SIGMA))


@cache
def decimal_digits() -> Mapping[int, int]:
    r"""Return 1 for each decimal digit: what `\d` finds."""
    return _where(re.findall(r"\d", _KNOWN))


@cache
def white_space() -> Mapping[int, int]:
    """Return 1 for each character that `str.strip` removes."""
    return _where(letter for letter in _KNOWN if letter.isspace())


def _where(letters: Iterable[str]) -> Mapping[int, int]:
    return MappingProxyType({ord(letter): 1 for letter in letters})
