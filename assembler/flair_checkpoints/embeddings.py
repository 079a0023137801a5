"""One embedding of a stack: its weights, and the tokens that flair can embed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flair.embeddings import FlairEmbeddings, TransformerWordEmbeddings, WordEmbeddings
from flair.embeddings.token import BytePairEmbeddings, HashEmbeddings, OneHotEmbeddings

from assembler.flair_checkpoints.encoder import encoder_weights
from assembler.flair_checkpoints.extraction import char_lm_weights, hash_table, one_hot_table, piece_table, word_table

if TYPE_CHECKING:
    from flair.embeddings import TokenEmbeddings

    from assembler.weights.protocol import Weights


def can_read_token(embedding: TokenEmbeddings, token: str) -> bool:
    """Return whether flair embeds a token, and does not fail on it."""
    if not isinstance(embedding, OneHotEmbeddings | HashEmbeddings | BytePairEmbeddings | TransformerWordEmbeddings):
        return True
    if any("\ud800" <= character <= "\udfff" for character in token):
        return False
    if not isinstance(embedding, BytePairEmbeddings) or not token.strip():
        return True
    read = embedding._preprocess(token) if embedding.do_preproc else token  # noqa: SLF001 - flair's own way to read it
    return bool(embedding.spm.EncodeAsIds(read.lower()))


def embedding_weights(embedding: TokenEmbeddings) -> Weights:
    """Return the weights of one embedding, which is of a supported class."""
    if isinstance(embedding, WordEmbeddings):
        return word_table(embedding)
    if isinstance(embedding, OneHotEmbeddings):
        return one_hot_table(embedding)
    if isinstance(embedding, HashEmbeddings):
        return hash_table(embedding)
    if isinstance(embedding, TransformerWordEmbeddings):
        return encoder_weights(embedding)
    if isinstance(embedding, BytePairEmbeddings):
        return piece_table(embedding)
    if isinstance(embedding, FlairEmbeddings):
        return char_lm_weights(
            embedding.lm,
            with_whitespace=embedding.with_whitespace,
            lowercase=getattr(embedding, "is_lower", False),
            tokenized=embedding.tokenized_lm,
        )
    raise TypeError(embedding)
