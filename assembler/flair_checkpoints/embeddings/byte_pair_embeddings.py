"""`BytePairEmbeddings`: the first and the last word piece of each token, by a sentencepiece model.

TK is flair 0.15.1's embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from flair.embeddings.token import BytePairEmbeddings
from sentencepiece import SentencePieceProcessor

from assembler.flair_checkpoints.declared_sizes import Need, declared
from assembler.flair_checkpoints.embeddings.embedding_reader import EmbeddingReader, holds_half_a_pair
from assembler.flair_checkpoints.stored_values import BYTES, COUNT, FLAG, TEXT, or_none
from assembler.flair_checkpoints.torch_layers import array_of
from assembler.flair_checkpoints.trust import damaged, refuse
from assembler.interface.table_inputs import PieceModel
from assembler.weights.tables import PieceWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Arrays
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source


class BytePairEmbeddingsReader(EmbeddingReader[BytePairEmbeddings]):
    """Reads `BytePairEmbeddings`."""

    cls = BytePairEmbeddings
    names = ("BytePairEmbeddings",)
    keys: ClassVar[Keys] = {  # TK 1517-1524
        "name": TEXT, "spm_model_binary": BYTES, "dim": COUNT, "field": or_none(TEXT), "preprocess": FLAG,
    }  # fmt: skip

    def check_stored(self, source: Source, stored: Mapping[str, Any]) -> None:
        """Refuse word pieces that flair cannot load, before it writes them to a file.

        Raises:
            SourceError: Their vectors are in a file of another library (R005), or there is no sentencepiece model
                (R006).
        """
        if "word2vec_binary" in stored:
            message = "the tagger uses BytePairEmbeddings whose vectors flair reads with the package 'bpemb'"
            hint = "load the tagger where bpemb is installed, and save it again with flair 0.15.1"
            raise refuse(source, message, hint)
        model = stored.get("spm_model_binary")
        if not isinstance(model, bytes) or not model:
            got = "nothing" if not model else f"a {type(model).__name__}"
            raise damaged(source, f"the sentencepiece model of BytePairEmbeddings is {got}, expected its bytes")
        try:
            SentencePieceProcessor(model_proto=model).vocab_size()
        except RuntimeError as err:
            raise damaged(source, f"the sentencepiece model of BytePairEmbeddings cannot be read: {err}") from err

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
        """Yield the table: a row for each piece, and one for blank tokens."""
        pieces = SentencePieceProcessor(model_proto=stored["spm_model_binary"]).vocab_size()
        yield Need(f"{prefix}embedding.weight", (("pieces", pieces + 1), declared(stored, "dim")))

    def length(self, stored: Mapping[str, Any]) -> object:
        """Return the length of two pieces."""
        half = stored.get("dim")
        return 2 * half if isinstance(half, int) else 0

    def can_read(self, embedding: BytePairEmbeddings, sentence: Sequence[str]) -> bool:
        """Return whether every token has pieces: flair fails on others, such as a zero-width space (TK 1474)."""
        return all(_has_pieces(embedding, token) for token in sentence)

    def weights(self, embedding: BytePairEmbeddings) -> PieceWeights:
        """Return the table; the row after those of all pieces is that of a blank token (TK 1469)."""
        layer = embedding.embedding

        @torch.no_grad()
        def run(inputs: Arrays) -> Arrays:
            rows = layer(torch.from_numpy(np.array(inputs["pieces"])))
            return {"rows": array_of(rows.reshape(-1, embedding.embedding_length))}

        model = PieceModel(embedding.spm.serialized_model_proto(), embedding.do_preproc, embedding.spm.vocab_size())
        return PieceWeights(array_of(layer.weight), model, run)


def _has_pieces(embedding: BytePairEmbeddings, token: str) -> bool:
    if holds_half_a_pair(token):
        return False
    if not token.strip():
        return True
    read = embedding._preprocess(token) if embedding.do_preproc else token  # noqa: SLF001 - flair's own way to read it
    return bool(embedding.spm.EncodeAsIds(read.lower()))
