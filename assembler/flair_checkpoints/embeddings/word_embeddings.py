"""`WordEmbeddings`, and `NILCEmbeddings`, which flair loads as such: a table of words.

TK is flair 0.15.1's embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flair.embeddings import WordEmbeddings

from assembler.flair_checkpoints.declared_sizes import Need, length_of
from assembler.flair_checkpoints.embeddings.embedding_reader import EmbeddingReader
from assembler.flair_checkpoints.embeddings.lookup import table_of
from assembler.flair_checkpoints.stored_dictionary import is_id
from assembler.flair_checkpoints.stored_values import COUNT, FLAG, TEXT, WORDS, or_none
from assembler.flair_checkpoints.trust import damaged
from assembler.interface.table_inputs import Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.tables import TableWeights


class WordEmbeddingsReader(EmbeddingReader[WordEmbeddings]):
    """Reads `WordEmbeddings`."""

    cls = WordEmbeddings
    names = ("WordEmbeddings", "NILCEmbeddings")  # flair loads the latter as the former (TK 1603)
    keys: ClassVar[Keys] = {  # TK 415-424
        "vocab": WORDS, "stable": FLAG, "fine_tune": FLAG, "force_cpu": FLAG, "field": or_none(TEXT), "name": TEXT,
        "embedding_length": COUNT,
    }  # fmt: skip

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
        """Yield the table: a row for each word, and one for unknown ones."""
        words = ("words", length_of(stored.get("vocab")) + 1)
        yield Need(f"{prefix}embedding.weight", (words, ("embedding_length", self.length(stored))))

    def check(self, source: Source, what: str, embedding: WordEmbeddings) -> None:
        """Refuse a vocabulary that is no table of words and rows."""
        vocab = embedding.vocab
        if not isinstance(vocab, dict) or not all(isinstance(word, str) and is_id(row) for word, row in vocab.items()):
            raise damaged(source, f"the vocabulary of {what} is no table of words and rows")

    def refused(self, embedding: WordEmbeddings) -> Iterator[str]:
        """Yield the reasons against a field, and against rows that no list of words has."""
        yield from super().refused(embedding)
        if sorted(embedding.vocab.values()) != list(range(len(embedding.vocab))):
            yield "has a vocabulary whose rows are not numbered from 0 without gaps"

    def weights(self, embedding: WordEmbeddings) -> TableWeights:
        """Return the table; the last row, after all words, is that of unknown ones (TK 317-328)."""
        words = tuple(sorted(embedding.vocab, key=embedding.vocab.__getitem__))
        rule = Words("word", words, unknown=len(words), method="", rows=len(words) + 1)
        return table_of(embedding.embedding, embedding.layer_norm, rule)
