"""The texts that language models read for lists of tokens, and the place of each token in them.

TK is flair 0.15.1's embeddings/token.py, DA its data.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.token import Token, spaces_behind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a batch, before markers, reversal and lower-casing.

    Attributes:
        texts: One for each sentence.
        begins: Where flair takes each token to begin, in code points, int64 `[S, T]`.
        ends: Where flair takes each token to end, int64 `[S, T]`.
        extents: The characters that all tokens are taken to need, int64 `[S]`: more than the text has if it ends in
            white space, which flair strips from the text (DA 984) but not from the tokens.
    """

    texts: tuple[str, ...]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    extents: NDArray[np.int64]

    @classmethod
    def of(cls, sentences: Sequence[Sequence[str]], widths: NDArray[np.int64], *, tokenized: bool) -> Texts:
        """Return the texts of sentences.

        Args:
            sentences: The tokens of each.
            widths: Code points in each token, 0 after the sentence's end, int64 `[S, T]`.
            tokenized: Whether the tokens are joined by one space each, or by the spaces that follow them.
        """
        if tokenized:
            texts = tuple(" ".join(tokens) for tokens in sentences)
            gaps = np.ones_like(widths)
        else:
            counts = [_spaces(tokens) for tokens in sentences]
            texts = tuple(_plain(*pair) for pair in zip(sentences, counts, strict=True))
            gaps = np.zeros_like(widths)
            for row, spaces in zip(gaps, counts, strict=True):  # of several spaces flair counts one (TK 838)
                row[: len(spaces)] = np.minimum(spaces, 1)
        ends = np.cumsum(widths + gaps, axis=1) - gaps
        return cls(texts, ends - widths, ends, ends.max(axis=1, where=widths > 0, initial=0))


def _spaces(tokens: Sequence[str]) -> list[int]:
    derived = spaces_behind(tokens)
    pairs = zip(tokens, derived, strict=True)
    return [token.spaces if isinstance(token, Token) else spaces for token, spaces in pairs]


def _plain(tokens: Sequence[str], spaces: Sequence[int]) -> str:
    """Return the same as `Sentence.to_plain_string` (DA 978-984)."""
    return "".join(token + " " * count for token, count in zip(tokens, spaces, strict=True)).rstrip()
