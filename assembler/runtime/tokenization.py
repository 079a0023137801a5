"""Splits raw text into tokens with their places. The tokeniser is not part of a model, but decides what is tagged.

DA is flair 0.15.1's data.py, TZ its tokenization.py.
"""

from __future__ import annotations

import re
import reprlib
from importlib import import_module
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.batching import require_listed
from assembler.runtime.token import Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: `segtok`: splits a text as flair's `Sentence` does, by the library of that name. `whitespace`: splits at white space
#: and changes nothing.
TOKENIZERS = ("segtok", "whitespace")
#: The characters that flair removes from a text before it looks for tokens (DA 1132-1145).
_REMOVED = frozenset("\u200b\u200c\ufe0f\ufeff\u2028\u2029")
_WORD = re.compile(r"\S+")
_SPACELESS = re.compile("[^ ]+")


def tokenize(texts: Iterable[object], tokenizer: str) -> Iterator[tuple[Token, ...]]:
    """Return the tokens of each text, one by one; a text is one sentence, as for flair.

    Args:
        texts: The texts.
        tokenizer: One of `TOKENIZERS`.

    Returns:
        An iterator of tokens with their `place` in the original text, in code points, and with the spaces that flair
        counts after them.

    Raises:
        ValueError: If there is no such tokeniser, at once.
        ModelError: M018 if the library `segtok` is not installed, at once.
        TypeError: At once if the texts are one string or not a list; when it is read if one of them is not a string.
    """
    if tokenizer not in TOKENIZERS:
        message = f"tokenizer: expected one of {', '.join(TOKENIZERS)}, got {reprlib.repr(tokenizer)}"
        raise ValueError(message)
    require_listed("texts", "texts", texts)
    if tokenizer == "whitespace":
        return (_separated(_text(text, number)) for number, text in enumerate(texts))
    segtok = _Segtok()
    return (segtok.tokens(_text(text, number)) for number, text in enumerate(texts))


def split_at_spaces(text: str) -> tuple[Token, ...]:
    """Return the tokens that `Sentence(text, use_tokenizer=False)` makes of a text: cleaned, split at spaces alone."""
    cleaned, _ = _cleaned(text)
    found = _spaced((match.group(), match.span(), match.span()) for match in _SPACELESS.finditer(cleaned))
    return tuple(Token(token, token.spaces) for token in found)


def _text(text: object, number: int) -> str:
    if not isinstance(text, str):
        got = f"{type(text).__name__}: {reprlib.repr(text)}"
        message = f"text {number}: expected a string, which a tokenizer splits into tokens, got {got}"
        raise TypeError(message)
    return text


def _separated(text: str) -> tuple[Token, ...]:
    return _spaced((match.group(), match.span(), match.span()) for match in _WORD.finditer(text))


def _spaced(found: Iterable[tuple[str, tuple[int, int], tuple[int, int]]]) -> tuple[Token, ...]:
    """Return tokens from their texts, their places in the searched text and those in the original text."""
    words = list(found)
    following = [inside[0] for _, inside, _ in words[1:]]
    ends = [inside[1] for _, inside, _ in words]
    spaces = [start - end for start, end in zip(following, ends, strict=False)] + [0]  # none after the last (DA 887)
    return tuple(Token(text, count, place) for (text, _, place), count in zip(words, spaces, strict=False))


class _Segtok:
    """flair's SegtokTokenizer (TZ 119-130) after the clean-up of its `Sentence` (DA 852-882, 1129-1156)."""

    def __init__(self) -> None:
        try:
            segmenter, tokenizer = import_module("segtok.segmenter"), import_module("segtok.tokenizer")
        except ModuleNotFoundError as err:
            hint = "pip install 'flair-assembler[segtok]', or take the tokenizer 'whitespace'"
            raise ModelError(Problem("M018", "the tokenizer 'segtok' needs the library segtok", hint)) from err
        self._split_single = segmenter.split_single
        self._split_contractions, self._word_tokenizer = tokenizer.split_contractions, tokenizer.word_tokenizer

    def tokens(self, text: str) -> tuple[Token, ...]:
        cleaned, origins = _cleaned(text)
        found, end = [], 0
        for part in self._split_single(cleaned):
            for word in self._split_contractions(self._word_tokenizer(part)):
                if not word:
                    continue
                start = cleaned.index(word, end)
                end = start + len(word)
                found.append((word, (start, end), (origins[start], origins[end - 1] + 1)))
        return _spaced(found)


def _cleaned(text: str) -> tuple[str, list[int]]:
    """Return a text as flair searches it for tokens, and the place of each of its characters in the original."""
    kept = [(_restored(letter), place) for place, letter in enumerate(text) if letter not in _REMOVED]
    return "".join(letter for letter, _ in kept), [place for letter, place in kept if letter]


def _restored(letter: str) -> str:
    """Return the Windows-1252 character for a control character of Latin-1, or nothing if there is none."""
    if not "\x80" <= letter <= "\x99":
        return letter
    try:
        return letter.encode("latin-1").decode("windows-1252")
    except UnicodeDecodeError:
        return ""
