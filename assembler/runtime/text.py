"""Encodes sentences as the code points for a model with a text input."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Replaces U+0000 in a text, where 0 is padding: the first number that is not a code point.
NULL = 0x110000


def encode_text(sentences: Sequence[Sequence[str]], width: int = 0) -> NDArray[np.int32]:
    """Return the code points of each sentence's tokens joined by one space, int32 `[sentences, characters]`.

    Shorter texts are padded with 0 at their end. Halves of surrogate pairs are code points like others.

    Args:
        sentences: The tokens of each.
        width: The characters of a row, if they must be more than the longest text has.

    Raises:
        ValueError: If a token holds a space, which would split it into two tokens.
    """
    for number, sentence in enumerate(sentences):
        strange = next((token for token in sentence if " " in token), None)
        if strange is not None:
            message = f"sentence {number}: expected tokens without spaces, which separate tokens in a text, "
            message += f"got {reprlib.repr(strange)}; a model that takes indices can tag it"
            raise ValueError(message)
    texts = [" ".join(sentence) for sentence in sentences]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    filled = np.arange(max(int(lengths.max(initial=1)), width)) < lengths[:, np.newaxis]
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<i4")
    rows = np.zeros(filled.shape, dtype=np.int32)
    rows[filled] = np.where(codes == 0, NULL, codes)
    return rows
