"""The parts of a spec that turn a classifier's tokens into documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.weights.documents import DocumentRnnWeights, WordLayersWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.initialisation.embeddings import Embedding


def document_lines(
    base: str, model: FlairSource, order: Sequence[Embedding], words: Callable[[], str], lengths: str = "lengths"
) -> tuple[list[str], str]:
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
    lines: list[str] = []
    if weights is None and not poolings:  # the embeddings read documents themselves
        return lines, fed
    node = f"{base}document"
    if isinstance(weights, DocumentRnnWeights):
        cell, size = weights.recurrent.cell, weights.recurrent.hidden_size
        lines += [f"  {node}:   # {cell}({size})", "    kind: document_rnn", f"    weights: {model.prefix}.document"]
        return [*lines, f"    inputs: {{embeddings: {fed}, lengths: {lengths}}}"], f"{node}.documents"
    if isinstance(weights, WordLayersWeights):
        lines += [f"  {base}layers:", "    kind: word_layers", f"    weights: {model.prefix}.document"]
        lines += [f"    inputs: {{embeddings: {fed}}}"]
        fed = f"{base}layers.rows"
    return [*lines, *_pool(node, poolings[0], fed, lengths)], f"{node}.documents"


def _ends(base: str, order: Sequence[Embedding], poolings: Sequence[str], lengths: str) -> tuple[list[str], str]:
    """Return the parts of DocumentLMEmbeddings: the last state of forward models, the first of backward ones."""
    lines, documents = [], []
    for place, (embedding, pooling) in enumerate(zip(order, poolings, strict=True)):
        node = f"{base}document{place if len(order) > 1 else ''}"
        lines += _pool(node, pooling, embedding.rows, lengths)
        documents.append(f"{node}.documents")
    if len(documents) == 1:
        return lines, documents[0]
    lines += [f"  {base}documents:", "    kind: concat", f"    inputs: [{', '.join(documents)}]"]
    return lines, f"{base}documents.rows"


def _pool(node: str, pooling: str, fed: str, lengths: str) -> list[str]:
    inputs = f"    inputs: {{embeddings: {fed}, lengths: {lengths}}}"
    return [f"  {node}:", "    kind: document_pool", f"    pooling: {pooling}", inputs]
