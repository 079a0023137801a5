"""`DocumentRNNEmbeddings`: the ends of recurrent layers over the tokens.

DO is flair 0.15.1's embeddings/document.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from flair.embeddings import DocumentRNNEmbeddings
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from assembler.flair_checkpoints.declared_sizes import Need, declared, is_on, recurrent_needs
from assembler.flair_checkpoints.document_embeddings.document_reader import DocumentReader
from assembler.flair_checkpoints.embeddings.embedding_stack import stack_length, stack_needs
from assembler.flair_checkpoints.stored_values import COUNT, FLAG, SHARE, TEXT, or_none
from assembler.flair_checkpoints.torch_layers import array_of, linear_of, recurrent_of
from assembler.weights.documents import DocumentRnnWeights

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from assembler.core.arrays import Arrays
    from assembler.flair_checkpoints.document_embeddings.document_reader import Size
    from assembler.flair_checkpoints.stored_values import Keys


class DocumentRnnReader(DocumentReader[DocumentRNNEmbeddings]):
    """Reads `DocumentRNNEmbeddings`."""

    cls = DocumentRNNEmbeddings
    names = ("DocumentRNNEmbeddings",)
    keys: ClassVar[Keys] = {  # DO 420-436
        "hidden_size": COUNT, "rnn_layers": COUNT, "reproject_words": FLAG, "reproject_words_dimension": or_none(COUNT),
        "bidirectional": FLAG, "dropout": SHARE, "word_dropout": SHARE, "locked_dropout": SHARE, "rnn_type": TEXT,
        "fine_tune": FLAG,
    }  # fmt: skip

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Generator[Need, None, Size]:
        """Yield the weights of the embeddings of tokens, of the reprojection and of the recurrent layers."""
        words = stored.get(self.words)
        if not isinstance(words, dict):
            return (("embedding_length", 0),)
        yield from stack_needs(words, f"{prefix}embeddings.")
        length: tuple[str, object] = ("embedding_length", stack_length(words))
        hidden, features = declared(stored, "hidden_size"), declared(stored, "reproject_words_dimension")
        features = features if features[1] is not None and is_on(stored.get("reproject_words")) else length
        yield Need(f"{prefix}word_reprojection_map.weight", (features, length))
        yield from recurrent_needs(f"{prefix}rnn", declared(stored, "rnn_layers"), (features,), (hidden,))
        return (("directions", 4), hidden) if is_on(stored.get("bidirectional")) else (hidden,)

    def weights(self, document: DocumentRNNEmbeddings) -> DocumentRnnWeights:
        """Return the reprojection, if there is one, and the recurrent layers."""
        return DocumentRnnWeights(
            embedding_size=document.length_of_all_token_embeddings,
            reprojection=linear_of(document.word_reprojection_map) if document.reproject_words else None,
            recurrent=recurrent_of(document.rnn),
            reference=lambda inputs: _run_document_rnn(document, inputs),
        )


@torch.no_grad()
def _run_document_rnn(document: DocumentRNNEmbeddings, inputs: Arrays) -> Arrays:
    """Run the loaded modules as DO 325-398 does."""
    lengths = torch.from_numpy(np.array(inputs["lengths"]))
    tensor = torch.from_numpy(np.array(inputs["embeddings"]))
    tensor = tensor.reshape(len(lengths), -1, document.length_of_all_token_embeddings)
    if document.reproject_words:
        tensor = document.word_reprojection_map(tensor)
    packed = pack_padded_sequence(tensor, lengths, enforce_sorted=False, batch_first=True)
    outputs, _ = pad_packed_sequence(document.rnn(packed)[0], batch_first=True)
    last = outputs[torch.arange(len(lengths)), lengths - 1]
    return {"documents": array_of(torch.cat([outputs[:, 0], last], 1) if document.bidirectional else last)}
