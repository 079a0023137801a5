"""The parts of a spec that turn a classifier's tokens into documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.initialisation.draft import Part
from assembler.weights.documents import DocumentRnnWeights, WordLayersWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.initialisation.embeddings import Embedding


def document_parts(
    base: str, model: FlairSource, order: Sequence[Embedding], words: Callable[[], str], lengths: str = "lengths"
) -> tuple[list[Part], str]:
    """Return the parts between tokens and documents, and the tensor of the documents.

    Args:
        base: The prefix of the names of the parts.
        model: The classifier.
        order: Its embeddings in the order in which flair joins them.
        words: Joins the embeddings, if they are joined token by token.
        lengths: The tensor of the tokens of each sentence.
    """
    weights = model.weights(f"{model.prefix}.document")
    poolings = model.poolings()
    if model.pools_each():
        return _ends(base, order, poolings, lengths)
    fed = words()
    if weights is None and not poolings:  # the embeddings read documents themselves
        return [], fed
    node, path = f"{base}document", f"{model.prefix}.document"
    parts: list[Part] = []
    if isinstance(weights, DocumentRnnWeights):
        cell, size = weights.recurrent.cell, weights.recurrent.hidden_size
        read = {"embeddings": fed, "lengths": lengths}
        return [Part(node, "document_rnn", read, path, about=f"{cell}({size})")], f"{node}.documents"
    if isinstance(weights, WordLayersWeights):
        parts = [Part(f"{base}layers", "word_layers", {"embeddings": fed}, path)]
        fed = f"{base}layers.rows"
    return [*parts, _pool(node, poolings[0], fed, lengths)], f"{node}.documents"


def _ends(base: str, order: Sequence[Embedding], poolings: Sequence[str], lengths: str) -> tuple[list[Part], str]:
    """Return the parts of DocumentLMEmbeddings: the last state of forward models, the first of backward ones."""
    parts, documents = [], []
    for place, (embedding, pooling) in enumerate(zip(order, poolings, strict=True)):
        node = f"{base}document{place if len(order) > 1 else ''}"
        parts.append(_pool(node, pooling, embedding.rows, lengths))
        documents.append(f"{node}.documents")
    if len(documents) == 1:
        return parts, documents[0]
    return [*parts, Part(f"{base}documents", "concat", tuple(documents))], f"{base}documents.rows"


def _pool(node: str, pooling: str, fed: str, lengths: str) -> Part:
    read = {"embeddings": fed, "lengths": lengths}
    return Part(node, "document_pool", read, parameters={"pooling": pooling})
