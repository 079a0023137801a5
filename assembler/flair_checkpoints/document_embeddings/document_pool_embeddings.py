"""`DocumentPoolEmbeddings`: the mean, maximum or minimum over the tokens, with or without layers before it.

DO is flair 0.15.1's embeddings/document.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from flair.embeddings import DocumentPoolEmbeddings

from assembler.flair_checkpoints.document_embeddings.document_reader import DocumentReader
from assembler.flair_checkpoints.embeddings.embedding_stack import stack_length, stack_needs
from assembler.flair_checkpoints.stored_values import TEXT
from assembler.flair_checkpoints.torch_layers import array_of, linear_of
from assembler.weights.documents import WordLayersWeights

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from assembler.core.arrays import Arrays
    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.document_embeddings.document_reader import Size
    from assembler.flair_checkpoints.stored_values import Keys


class DocumentPoolReader(DocumentReader[DocumentPoolEmbeddings]):
    """Reads `DocumentPoolEmbeddings`."""

    cls = DocumentPoolEmbeddings
    names = ("DocumentPoolEmbeddings",)
    keys: ClassVar[Keys] = {"pooling": TEXT, "fine_tune_mode": TEXT}  # DO 160-165

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Generator[Need, None, Size]:
        """Yield the weights of the embeddings of tokens."""
        words = stored.get(self.words)
        if not isinstance(words, dict):
            return (("embedding_length", 0),)
        yield from stack_needs(words, f"{prefix}embeddings.")
        return (("embedding_length", stack_length(words)),)

    def weights(self, document: DocumentPoolEmbeddings) -> WordLayersWeights | None:
        """Return the layers before the pooling, which `fine_tune_mode` adds."""
        if document.fine_tune_mode not in ("linear", "nonlinear"):
            return None
        second = document.embedding_flex_nonlinear_map if document.fine_tune_mode == "nonlinear" else None
        return WordLayersWeights(
            first=array_of(document.embedding_flex.weight),
            second=linear_of(second) if second is not None else None,
            reference=lambda inputs: _run_word_layers(document, inputs),
        )

    def poolings(self, document: DocumentPoolEmbeddings) -> list[str]:
        """Return the one pooling."""
        return [document.pooling]


@torch.no_grad()
def _run_word_layers(document: DocumentPoolEmbeddings, inputs: Arrays) -> Arrays:
    rows = document.embedding_flex(torch.from_numpy(np.array(inputs["embeddings"])))
    if document.fine_tune_mode == "nonlinear":
        rows = document.embedding_flex_nonlinear_map(document.embedding_flex_nonlinear(rows))
    return {"rows": array_of(rows)}
