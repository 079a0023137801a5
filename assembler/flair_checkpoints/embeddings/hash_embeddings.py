"""`HashEmbeddings`: a table whose rows are chosen by a hash of the word.

TK is flair 0.15.1's embeddings/token.py.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

from flair.embeddings.token import HashEmbeddings

from assembler.flair_checkpoints.declared_sizes import Need
from assembler.flair_checkpoints.embeddings.embedding_reader import EmbeddingReader, holds_half_a_pair
from assembler.flair_checkpoints.embeddings.lookup import table_of
from assembler.flair_checkpoints.stored_values import COUNT, TEXT
from assembler.flair_checkpoints.trust import damaged
from assembler.interface.table_inputs import Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.tables import TableWeights


class HashEmbeddingsReader(EmbeddingReader[HashEmbeddings]):
    """Reads `HashEmbeddings`."""

    cls = HashEmbeddings
    names = ("HashEmbeddings",)
    keys: ClassVar[Keys] = {"num_embeddings": COUNT, "embedding_length": COUNT, "hash_method": TEXT}  # TK 1262-1267

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
        """Yield the table."""
        rows = ("num_embeddings", stored.get("num_embeddings", 1000))
        yield Need(f"{prefix}embedding_layer.weight", (rows, ("embedding_length", self.length(stored))))

    def check(self, source: Source, what: str, embedding: HashEmbeddings) -> None:
        """Refuse a hash function that Python does not know."""
        method = vars(embedding)["_HashEmbeddings__hash_method"]
        try:
            hashlib.new(method).hexdigest()
        except (TypeError, ValueError) as err:
            shown = f"{method!r:.60}" if isinstance(method, str | bytes) else f"a {type(method).__name__}"
            raise damaged(source, f"{what} hashes by {shown}, which Python does not know") from err

    def can_read(self, embedding: HashEmbeddings, sentence: Sequence[str]) -> bool:
        """Return whether all tokens can be encoded as UTF-8, which flair does (TK 1245)."""
        del embedding
        return not any(map(holds_half_a_pair, sentence))

    def weights(self, embedding: HashEmbeddings) -> TableWeights:
        """Return the table (TK 1243-1246)."""
        method = str(vars(embedding)["_HashEmbeddings__hash_method"])
        rule = Words("hash", (), unknown=0, method=method, rows=embedding.num_embeddings)
        return table_of(embedding.embedding_layer, None, rule)
