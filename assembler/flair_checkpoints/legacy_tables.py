"""Unpickles objects of flair without the package gensim, whose tables of words old WordEmbeddings hold.

flair reads no more of such a table than its array and the row of each word, as attributes (TK 382-405), so an object
that only keeps attributes stands for it. This module is what `torch.load` takes for `pickle`. TK is flair 0.15.1's
embeddings/token.py.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Unpickler", "load"]


class Table:
    """A table of words, or the entry of one word (`Vocab`), of any version of gensim: its attributes."""

    def __init__(self, *_: object, **attributes: object) -> None:
        """Keep attributes that are given by name."""
        vars(self).update(attributes)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Keep the attributes; a table of gensim before 4 may lack the width of its array."""
        vars(self).update(state)
        vectors = vars(self).get("vectors", vars(self).get("syn0"))
        if vectors is not None:
            vars(self).update(vectors=vectors, vector_size=vars(self).get("vector_size", vectors.shape[1]))


#: gensim's classes of such tables and entries, whichever module of it has them.
_TABLES = frozenset({"KeyedVectors", "Word2VecKeyedVectors", "WordEmbeddingsKeyedVectors", "EuclideanKeyedVectors"})
_ENTRIES = frozenset({"Vocab", "CompatVocab", "SimpleVocab"})


class Unpickler(pickle.Unpickler):
    """Finds classes as pickle does, but for gensim's tables."""

    def find_class(self, module: str, name: str, /) -> Any:  # noqa: ANN401 - pickle's signature
        """Return a class by its names."""
        if module.partition(".")[0] == "gensim" and name in _TABLES | _ENTRIES:
            return Table
        return super().find_class(module, name)


def load(stream: BinaryIO, **options: Any) -> object:  # noqa: ANN401 - pickle's options
    """Unpickle one value, as `pickle.load` does."""
    return Unpickler(stream, **options).load()
