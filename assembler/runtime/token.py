"""A token with the white space after it, which language models on untokenised text read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Token(str):
    """A token, and the spaces between it and the next one.

    It is a string in every other way. A plain string gets the spaces that flair's `Sentence` of a list assigns to it.

    Attributes:
        spaces: The number of spaces after it; flair's `Token.whitespace_after`.
        place: Where it starts and ends in the text that it was found in, in code points, or `None`.
    """

    __slots__ = ("place", "spaces")
    spaces: int
    place: tuple[int, int] | None

    def __new__(cls, text: str, spaces: int, place: tuple[int, int] | None = None) -> Token:  # noqa: PYI034 - one class
        """Return the token."""
        token = super().__new__(cls, text)
        token.spaces = spaces
        token.place = place
        return token


def spaces_behind(words: Sequence[str]) -> list[int]:
    """Return the spaces after each word of a list, as flair's `Sentence` counts them (flair 0.15.1, data.py 862-887).

    flair joins the words by spaces and looks each up in the result. That is one space, except before a word of spaces,
    which is found in the joining space itself, and before an empty word, which is found at once.
    """
    joined = " ".join(words)
    spaces, end = [0] * len(words), 0
    for number, word in enumerate(words):
        start = joined.index(word, end)
        if number:
            spaces[number - 1] = start - end
        end = start + len(word)
    return spaces


def without_empty(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words without the empty ones, which flair drops; the others keep their spaces."""
    given = tuple(words)
    if all(given):
        return given
    return tuple(
        word if isinstance(word, Token) else Token(word, spaces)
        for word, spaces in zip(given, spaces_behind(given), strict=True)
        if word
    )


def places(tokens: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the place of each token in the common text, or nothing if a place is unknown."""
    found = [token.place for token in tokens if isinstance(token, Token) and token.place is not None]
    return tuple(found) if len(found) == len(tokens) else ()
