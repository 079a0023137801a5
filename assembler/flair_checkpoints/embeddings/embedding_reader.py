"""What is known of one class of flair's token embeddings: how it is stored, checked, sized and read.

TK is flair 0.15.1's embeddings/token.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from flair.embeddings import TokenEmbeddings

from assembler.flair_checkpoints.stored_values import known_values, refuse_other_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.protocol import Weights

Embedding = TypeVar("Embedding", bound=TokenEmbeddings)


class EmbeddingReader(ABC, Generic[Embedding]):
    """Reads the embeddings of one class.

    Those that are stored as plain data pass `check_stored`, `needs` and `plain`, in this order, before flair makes an
    object of them. Every object then passes `check` and `refused`.

    Attributes:
        cls: The class of loaded embeddings.
        names: The names under which they are stored.
        keys: The keys that flair writes for them, with the sort of each value.
    """

    cls: type[Embedding]
    names: tuple[str, ...]
    keys: ClassVar[Keys] = {}

    def check_stored(self, source: Source, stored: Mapping[str, Any]) -> None:
        """Refuse what flair must not make, because it would fetch or run something (R005, R006)."""

    @abstractmethod
    def needs(self, stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
        """Yield the weights that flair makes for the declared sizes."""

    def length(self, stored: Mapping[str, Any]) -> object:
        """Return the declared length of a token's vector. The sizes were already checked."""
        return stored.get("embedding_length", 300)  # as in TK 1111 and 1210

    def plain(self, source: Source, what: str, stored: Mapping[str, Any]) -> dict[str, object]:
        """Return the state that flair receives: known keys, with values of their sorts.

        Raises:
            SourceError: There is a key that flair does not write (R005), or a value of another sort (R006).
        """
        refuse_other_keys(source, what, stored, {"__cls__", *self.keys})
        return known_values(source, what, stored, self.keys)

    def check(self, source: Source, what: str, embedding: Embedding) -> None:
        """Refuse embeddings that flair loads but that later fail (R006)."""

    def refused(self, embedding: Embedding) -> Iterator[str]:
        """Yield the reasons why loaded embeddings cannot be assembled, for example `reads images beside the text`."""
        yield from refused_field(embedding, None)

    def can_read(self, embedding: Embedding, sentence: Sequence[str]) -> bool:
        """Return whether flair embeds a sentence, and does not fail on it."""
        del embedding, sentence
        return True

    @abstractmethod
    def weights(self, embedding: Embedding) -> Weights:
        """Return the weights of loaded embeddings."""


def refused_field(embedding: TokenEmbeddings, text: str | None) -> Iterator[str]:
    """Yield the reason why embeddings that read a label of each token cannot be assembled.

    Args:
        embedding: The embeddings.
        text: The value of their `field` that stands for the text of a token.
    """
    field = getattr(embedding, "field", text)
    if field != text:
        yield f"reads the label '{field}' of each token instead of its text"


def holds_half_a_pair(token: str) -> bool:
    """Return whether a token holds half a surrogate pair, which no UTF-8 can hold."""
    return any("\ud800" <= character <= "\udfff" for character in token)
