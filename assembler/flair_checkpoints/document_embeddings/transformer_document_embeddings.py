"""`TransformerDocumentEmbeddings`: an encoder, and the pooling of its subtokens to a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flair.embeddings import TransformerDocumentEmbeddings

from assembler.flair_checkpoints.document_embeddings.document_reader import DocumentReader
from assembler.flair_checkpoints.embeddings.transformer_document_member import TransformerDocumentMember

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.document_embeddings.document_reader import Size
    from assembler.forms.source import Source

_MEMBER = TransformerDocumentMember()


class TransformerDocumentReader(DocumentReader[TransformerDocumentEmbeddings]):
    """Reads `TransformerDocumentEmbeddings`. They are a member of their own, which has the weights of everything."""

    cls = TransformerDocumentEmbeddings
    names = ("TransformerDocumentEmbeddings",)

    def check_stored(self, source: Source, stored: Mapping[str, Any]) -> None:
        """Refuse an encoder whose configuration or tokeniser transformers must not load."""
        _MEMBER.check_stored(source, stored)

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Generator[Need, None, Size]:
        """Yield the weights of the encoder."""
        yield from _MEMBER.needs(stored, prefix)
        return (("embedding_length", _MEMBER.length(stored)),)

    def plain(self, source: Source, what: str, stored: Mapping[str, Any]) -> dict[str, object]:
        """Return the state with the keys of the configuration that decide the architecture."""
        return _MEMBER.plain(source, what, stored)

    def members(self, document: TransformerDocumentEmbeddings) -> list[Any]:
        """Return the embeddings themselves."""
        return [document]
