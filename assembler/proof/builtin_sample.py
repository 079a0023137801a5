"""The sentences that come with the package: news, talk, headlines, lists, of nineteen languages.

They were written for this project, one a line, tokens separated by spaces. Names of persons, places and organisations,
numbers, dates, addresses and emoji are in them, so that taggers of spans meet spans.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The languages, in the order of the sample; each is a file `sample/LANGUAGE.txt`.
LANGUAGES = (
    "en", "de", "fr", "es", "it", "nl", "pl", "cs", "ru", "uk", "ar", "tr", "sv", "pt", "da", "fi", "hu", "zh", "el",
)  # fmt: skip

#: These have more text in files `sample/LANGUAGE-more.txt`, because a share of a few in a thousand needs many tokens.
WITH_MORE = ("en", "de")

#: A sentence, as its tokens.
Tokens = tuple[str, ...]

Item = TypeVar("Item")


def sample_sentences() -> tuple[Tokens, ...]:
    """Return all sentences, those of a language beside each other."""
    return tuple(tokens for language in LANGUAGES for tokens in _read(language))


def by_language() -> dict[str, tuple[Tokens, ...]]:
    """Return the sentences of each language, and more of some, on which a lossy model is measured."""
    more = {language: _read(f"{language}-more") for language in WITH_MORE}
    return {language: (*_read(language), *more.get(language, ())) for language in LANGUAGES}


def drawn_sentences(most: int) -> tuple[Tokens, ...]:
    """Return at most so many of the sentences, at even distances, so that each language contributes some."""
    return tuple(evenly(sample_sentences(), most))


def evenly(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most so many items, at even distances from the first to the last: the same ones on every day."""
    if len(items) <= most:
        return items
    if most <= 1:
        return items[:most]
    return [items[place * (len(items) - 1) // (most - 1)] for place in range(most)]


@cache
def _read(name: str) -> tuple[Tokens, ...]:
    text = (files("assembler") / "proof" / "sample" / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(tuple(line.split(" ")) for line in text.splitlines() if line)
