"""Encodes sentences as the code points for a model with a text input."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.token import Token, spaces_behind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Replaces U+0000 in a text, where 0 is padding: the first number that is not a code point.
NULL = 0x110000


def encode_text(sentences: Sequence[Sequence[str]], width: int = 0, *, spaced: bool = False) -> NDArray[np.int32]:
    """Return the code points of each sentence's tokens joined by one space, int32 `[sentences, characters]`.

    Shorter texts are padded with 0 at their end. Halves of surrogate pairs are code points like others.

    Args:
        sentences: The tokens of each.
        width: The characters of a row, if they must be more than the longest text has.
        spaced: Whether tokens are joined by the spaces that follow them (`Token.spaces`) instead, by 0 if there are
            none.

    Raises:
        ValueError: If a token holds a space, which would split it into two tokens.
    """
    for number, sentence in enumerate(sentences):
        strange = next((token for token in sentence if " " in token), None)
        if strange is not None:
            message = f"sentence {number}: expected tokens without spaces, which separate tokens in a text, "
            message += f"got {reprlib.repr(strange)}; a model that takes indices can tag it"
            raise ValueError(message)
    pieces = [_pieces(sentence) for sentence in sentences] if spaced else []
    texts = ["".join(each) for each in pieces] if spaced else [" ".join(sentence) for sentence in sentences]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    filled = np.arange(max(int(lengths.max(initial=1)), width)) < lengths[:, np.newaxis]
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<i4")
    rows = np.zeros(filled.shape, dtype=np.int32)
    rows[filled] = np.where((codes == 0) & (_of_tokens(pieces) if spaced else True), NULL, codes)
    return rows


def separators(sentence: Sequence[str]) -> list[str]:
    """Return what is between the tokens of a sentence: spaces, or 0 for none."""
    derived = spaces_behind(sentence)
    pairs = zip(sentence[:-1], derived, strict=False)
    counts = [token.spaces if isinstance(token, Token) else spaces for token, spaces in pairs]
    return [" " * count or "\0" for count in counts]


def _pieces(sentence: Sequence[str]) -> list[str]:
    """Return tokens, each followed by what is between it and the next."""
    return [piece for pair in zip(sentence, [*separators(sentence), ""], strict=False) for piece in pair]


def _of_tokens(sentences: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Return which code points are of tokens, and not between them."""
    lengths = [len(piece) for pieces in sentences for piece in pieces]
    own = [place % 2 == 0 for pieces in sentences for place in range(len(pieces))]
    return np.repeat(np.array(own, np.bool_), np.array(lengths, np.int64))
