"""`OneHotEmbeddings`: a table of the words of a dictionary.

DA is flair 0.15.1's data.py, TK its embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flair.embeddings.token import OneHotEmbeddings

from assembler.flair_checkpoints.declared_sizes import Need, length_of
from assembler.flair_checkpoints.embeddings.embedding_reader import EmbeddingReader, holds_half_a_pair, refused_field
from assembler.flair_checkpoints.embeddings.lookup import table_of
from assembler.flair_checkpoints.stored_dictionary import check_dictionary, items_by_id
from assembler.flair_checkpoints.stored_values import COUNT, DICTIONARY, FLAG, TEXT
from assembler.interface.table_inputs import Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.tables import TableWeights


class OneHotEmbeddingsReader(EmbeddingReader[OneHotEmbeddings]):
    """Reads `OneHotEmbeddings`."""

    cls = OneHotEmbeddings
    names = ("OneHotEmbeddings",)
    keys: ClassVar[Keys] = {
        "vocab_dictionary": DICTIONARY,
        "field": TEXT,
        "embedding_length": COUNT,
        "stable": FLAG,
    }  # TK 1197-1203

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
        """Yield the table."""
        words = ("words", length_of(stored.get("vocab_dictionary")))
        yield Need(f"{prefix}embedding_layer.weight", (words, ("embedding_length", self.length(stored))))

    def check(self, source: Source, what: str, embedding: OneHotEmbeddings) -> None:
        """Refuse a vocabulary of anything other than UTF-8."""
        check_dictionary(source, f"the vocabulary of {what}", embedding.vocab_dictionary)

    def refused(self, embedding: OneHotEmbeddings) -> Iterator[str]:
        """Yield the reasons against a field, and against a vocabulary without `<unk>`."""
        yield from refused_field(embedding, "text")
        if not embedding.vocab_dictionary.add_unk:
            yield "has a vocabulary without <unk>, on which flair fails at the first unknown word"

    def can_read(self, embedding: OneHotEmbeddings, sentence: Sequence[str]) -> bool:
        """Return whether all tokens can be encoded as UTF-8, which flair does (DA 92)."""
        del embedding
        return not any(map(holds_half_a_pair, sentence))

    def weights(self, embedding: OneHotEmbeddings) -> TableWeights:
        """Return the table; unknown words have the row of `<unk>`, 0 (DA 84-103)."""
        looked_up = {item.decode("utf-8"): row for item, row in embedding.vocab_dictionary.item2idx.items()}
        words = items_by_id(looked_up, len(embedding.embedding_layer.weight), "a vocabulary")
        rule = Words("exact", words, unknown=0, method="", rows=len(words))
        return table_of(embedding.embedding_layer, embedding.layer_norm, rule)
