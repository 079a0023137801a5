"""The encoder of `TransformerDocumentEmbeddings`: the only member of such embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flair.embeddings import TransformerDocumentEmbeddings

from assembler.flair_checkpoints.embeddings.transformer_word_embeddings import TransformerReader
from assembler.flair_checkpoints.transformer_embeddings import holds_subtokens

if TYPE_CHECKING:
    from collections.abc import Sequence


class TransformerDocumentMember(TransformerReader[TransformerDocumentEmbeddings]):
    """Reads the encoder of `TransformerDocumentEmbeddings`."""

    cls = TransformerDocumentEmbeddings
    names = ("TransformerDocumentEmbeddings",)

    def can_read(self, embedding: TransformerDocumentEmbeddings, sentence: Sequence[str]) -> bool:
        """Return whether there is anything to pool, too: without, flair fails, or gives what is no number."""
        return super().can_read(embedding, sentence) and holds_subtokens(embedding, sentence)
