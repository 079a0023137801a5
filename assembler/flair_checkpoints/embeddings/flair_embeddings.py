"""`FlairEmbeddings`: the states of a character language model at the ends of tokens.

LM is flair 0.15.1's models/language_model.py, TK its embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flair.embeddings import FlairEmbeddings

from assembler.flair_checkpoints.char_language_model import (
    KEYS,
    char_lm_weights,
    check_language_model,
    language_model_needs,
)
from assembler.flair_checkpoints.embeddings.embedding_reader import EmbeddingReader
from assembler.flair_checkpoints.stored_values import COUNT, FLAG, TABLE, TEXT, known_values, or_none, refuse_other_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.language_models import CharLmWeights


class FlairEmbeddingsReader(EmbeddingReader[FlairEmbeddings]):
    """Reads `FlairEmbeddings`."""

    cls = FlairEmbeddings
    names = ("FlairEmbeddings",)
    keys: ClassVar[Keys] = {  # TK 853-871, and `with_whitespace`, which flair reads but does not write
        "fine_tune": FLAG, "chars_per_chunk": COUNT, "is_lower": FLAG, "tokenized_lm": FLAG, "name": or_none(TEXT),
        "with_whitespace": FLAG, "has_decoder": FLAG, "model_params": TABLE,
    }  # fmt: skip

    def needs(self, stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
        """Yield the weights of the language model."""
        parameters = stored.get("model_params")
        if isinstance(parameters, dict):
            yield from language_model_needs(parameters, f"{prefix}lm.")

    def length(self, stored: Mapping[str, Any]) -> object:
        """Return the size of a state, or of its projection."""
        parameters = stored.get("model_params")
        if not isinstance(parameters, dict):
            return super().length(stored)
        return parameters.get("hidden_size") if parameters.get("nout") is None else parameters["nout"]

    def plain(self, source: Source, what: str, stored: Mapping[str, Any]) -> dict[str, object]:
        """Return the state with that of the language model in it."""
        made = super().plain(source, what, stored)
        parameters = stored.get("model_params")
        if isinstance(parameters, dict):
            refuse_other_keys(source, f"the language model of {what}", parameters, set(KEYS))
            made["model_params"] = known_values(source, f"the language model of {what}", parameters, KEYS)
        return made

    def check(self, source: Source, what: str, embedding: FlairEmbeddings) -> None:
        """Refuse a language model whose texts cannot be written as UTF-8."""
        del what
        check_language_model(source, embedding.lm)

    def can_read(self, embedding: FlairEmbeddings, sentence: Sequence[str]) -> bool:
        """Return whether flair finds the states of all tokens.

        A language model on untokenised text strips white space after the last token, and then looks for states after
        the text, or before it, which depend on the rest of the batch (TK 838).
        """
        return embedding.tokenized_lm or all(token == token.rstrip() for token in sentence[-1:])

    def weights(self, embedding: FlairEmbeddings) -> CharLmWeights:
        """Return the weights of the language model, and how a host writes its text."""
        return char_lm_weights(
            embedding.lm,
            with_whitespace=embedding.with_whitespace,
            lowercase=getattr(embedding, "is_lower", False),
            tokenized=embedding.tokenized_lm,
        )
