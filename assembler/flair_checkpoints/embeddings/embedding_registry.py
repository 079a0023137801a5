"""The readers of flair's token embeddings, by the class that is stored and by the class that is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from assembler.flair_checkpoints.embeddings.byte_pair_embeddings import BytePairEmbeddingsReader
from assembler.flair_checkpoints.embeddings.flair_embeddings import FlairEmbeddingsReader
from assembler.flair_checkpoints.embeddings.hash_embeddings import HashEmbeddingsReader
from assembler.flair_checkpoints.embeddings.one_hot_embeddings import OneHotEmbeddingsReader
from assembler.flair_checkpoints.embeddings.transformer_document_member import TransformerDocumentMember
from assembler.flair_checkpoints.embeddings.transformer_word_embeddings import TransformerWordEmbeddingsReader
from assembler.flair_checkpoints.embeddings.word_embeddings import WordEmbeddingsReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flair.embeddings import TokenEmbeddings

    from assembler.flair_checkpoints.embeddings.embedding_reader import EmbeddingReader

    Reader: TypeAlias = EmbeddingReader[Any]

_READERS: tuple[Reader, ...] = (
    FlairEmbeddingsReader(),
    TransformerWordEmbeddingsReader(),
    WordEmbeddingsReader(),
    OneHotEmbeddingsReader(),
    HashEmbeddingsReader(),
    BytePairEmbeddingsReader(),
)
#: Members of embeddings of documents alone.
_OF_DOCUMENTS: tuple[Reader, ...] = (TransformerDocumentMember(),)
_STORED: Mapping[str, Reader] = {name: reader for reader in _READERS for name in reader.names}
#: The classes of embeddings that can be assembled, as checkpoints name them.
SUPPORTED = tuple(_STORED)

#: Why others cannot be assembled; the lines are those of flair 0.15.1's embeddings/token.py.
_REASONS = {
    "CharacterEmbeddings": "which assigns a word that occurs twice another word's vector (token.py 493-531)",
    "PooledFlairEmbeddings": "which changes while it predicts (token.py 936-979)",
    "FastTextEmbeddings": "whose vectors of unknown words the library gensim makes (token.py 1064)",
    "MuseCrosslingualEmbeddings": "which downloads a table for the language that it guesses (token.py 1332)",
    "ELMoEmbeddings": "which flair 0.15.1 runs with the library allennlp",
}


def reader_of_stored(cls: object) -> Reader | None:
    """Return the reader of embeddings that are stored under the name of a class, or `None` if there is none."""
    return _STORED.get(cls) if isinstance(cls, str) else None


def is_read(embedding: object) -> bool:
    """Return whether loaded embeddings are of a class that can be assembled."""
    return type(embedding).__name__ in {name for reader in (*_READERS, *_OF_DOCUMENTS) for name in reader.names}


def reader_of(embedding: TokenEmbeddings) -> Reader:
    """Return the reader of loaded embeddings, which were accepted.

    Raises:
        TypeError: They are of a class that has none.
    """
    for reader in (*_READERS, *_OF_DOCUMENTS):
        if isinstance(embedding, reader.cls):
            return reader
    raise TypeError(embedding)


def with_reason(cls: str) -> str:
    """Return the name of a class that cannot be assembled, with the reason if it is known."""
    return f"{cls}, {_REASONS[cls]}" if cls in _REASONS else cls
