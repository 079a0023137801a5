"""`DocumentLMEmbeddings`: the last states of forward language models and the first ones of backward ones.

DO is flair 0.15.1's embeddings/document.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flair.embeddings import DocumentLMEmbeddings, FlairEmbeddings

from assembler.flair_checkpoints.document_embeddings.document_reader import DocumentReader
from assembler.flair_checkpoints.embeddings.embedding_stack import (
    accepted_class,
    by_name,
    check_count,
    embedding_length,
    embedding_needs,
    plain_embedding,
)
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from flair.embeddings import TokenEmbeddings

    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.document_embeddings.document_reader import Size
    from assembler.forms.source import Source


class DocumentLmReader(DocumentReader[DocumentLMEmbeddings]):
    """Reads `DocumentLMEmbeddings` (DO 529-531)."""

    cls = DocumentLMEmbeddings
    names = ("DocumentLMEmbeddings",)
    words = "flair_embeddings"
    pools_each = True

    def check_stored(self, source: Source, stored: Mapping[str, Any]) -> None:
        """Refuse anything other than language models."""
        models = stored.get(self.words)
        if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
            raise damaged(source, f"the language models of the classifier are a {type(models).__name__}")
        check_count(source, models)
        for model in models:
            if accepted_class(source, model) != FlairEmbeddings.__name__:
                raise refuse(source, f"the language models of the classifier hold {model['__cls__']}")

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Generator[Need, None, Size]:
        """Yield the weights of the language models."""
        children = [child for child in stored[self.words] if isinstance(child, dict)]
        for place, child in enumerate(children):
            yield from embedding_needs(child, f"{prefix}lm_embedding_{place}.")
        return (("embedding_length", sum(map(embedding_length, children))),)

    def plain_words(self, source: Source, what: str, stored: Any) -> object:  # noqa: ANN401 - of a stranger's file
        """Return the states of the language models."""
        children = enumerate(stored)
        return [plain_embedding(source, f"language model {place} of {what}", child) for place, child in children]

    def members(self, document: DocumentLMEmbeddings) -> list[TokenEmbeddings]:
        """Return the language models."""
        return list(document.embeddings)

    def poolings(self, document: DocumentLMEmbeddings) -> list[str]:
        """Return the end of each that is read (DO 505-520), in the order in which flair joins them."""
        members: list[Any] = self.members(document)
        return ["last" if members[place].is_forward_lm else "first" for place in by_name(members)]
