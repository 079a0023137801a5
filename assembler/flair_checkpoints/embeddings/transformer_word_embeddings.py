"""`TransformerWordEmbeddings`: an encoder, and the pooling of its subtokens to words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from flair.embeddings import TransformerWordEmbeddings

from assembler.flair_checkpoints.embeddings.embedding_reader import EmbeddingReader, holds_half_a_pair
from assembler.flair_checkpoints.encoder_sizes import encoder_length, encoder_needs
from assembler.flair_checkpoints.stored_encoder import encoder_refused_as_stored, plain_encoder
from assembler.flair_checkpoints.transformer_embeddings import encoder_refused, encoder_weights, has_positions_for
from assembler.flair_checkpoints.trust import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.forms.source import Source
    from assembler.weights.encoders import Encoder

Transformer = TypeVar("Transformer", bound=Any)


class TransformerReader(EmbeddingReader[Transformer]):
    """Reads an encoder of words or documents. What is stored of one is more than keys: see `stored_encoder`."""

    def check_stored(self, source: Source, stored: Mapping[str, Any]) -> None:
        """Refuse an encoder whose configuration or tokeniser transformers must not load."""
        reason = encoder_refused_as_stored(stored)
        if reason is not None:
            raise refuse(source, f"the encoder of the tagger {reason}")

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
        """Yield the weights that the configuration requires."""
        yield from encoder_needs(stored.get("config_state_dict"), f"{prefix}model.")

    def length(self, stored: Mapping[str, Any]) -> object:
        """Return the length of the pooled states."""
        return encoder_length(stored) if isinstance(stored.get("config_state_dict"), dict) else super().length(stored)

    def plain(self, source: Source, what: str, stored: Mapping[str, Any]) -> dict[str, object]:
        """Return the state with the keys of the configuration that decide the architecture."""
        del source, what
        return plain_encoder(stored)

    def refused(self, embedding: Transformer) -> Iterator[str]:
        """Yield the reasons against options of the encoder and of its tokeniser."""
        yield from encoder_refused(embedding)
        yield from super().refused(embedding)

    def can_read(self, embedding: Transformer, sentence: Sequence[str]) -> bool:
        """Return whether the tokeniser reads all tokens, and the encoder has positions for them.

        An encoder that neither cuts nor splits fails on more subtokens than it has positions.
        """
        return not any(map(holds_half_a_pair, sentence)) and has_positions_for(embedding, sentence)

    def weights(self, embedding: Transformer) -> Encoder:
        """Return the weights of the encoder, and how a host makes its input."""
        return encoder_weights(embedding)


class TransformerWordEmbeddingsReader(TransformerReader[TransformerWordEmbeddings]):
    """Reads `TransformerWordEmbeddings`. Vectors of documents that they make beside are no part of a token's."""

    cls = TransformerWordEmbeddings
    names = ("TransformerWordEmbeddings",)
