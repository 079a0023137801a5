"""What is known of one class of flair's embeddings of documents: how it is stored, checked, sized and read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from flair.embeddings import DocumentEmbeddings

from assembler.flair_checkpoints.embeddings import embedding_stack
from assembler.flair_checkpoints.stored_values import known_values, refuse_other_keys

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from flair.embeddings import TokenEmbeddings

    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.protocol import Weights

Document = TypeVar("Document", bound=DocumentEmbeddings)
#: Declared sizes by their names, whose product is the length of a document's vector.
Size: TypeAlias = "tuple[tuple[str, object], ...]"


class DocumentReader(ABC, Generic[Document]):
    """Reads the embeddings of documents of one class.

    Attributes:
        cls: The class of loaded embeddings.
        names: The names under which they are stored.
        words: The key of the embeddings of tokens that they are made of.
        keys: The other keys that flair writes for them, with the sort of each value.
        pools_each: Whether the tokens are pooled embedding by embedding.
    """

    cls: type[Document]
    names: tuple[str, ...]
    words: str = "embeddings"
    keys: ClassVar[Keys] = {}
    pools_each: bool = False

    def check_stored(self, source: Source, stored: Mapping[str, Any]) -> None:
        """Refuse what flair must not make (R005, R006)."""
        embedding_stack.check_stored(source, stored.get(self.words))

    @abstractmethod
    def needs(self, stored: Mapping[str, Any], prefix: str) -> Generator[Need, None, Size]:
        """Yield the weights that flair makes for the declared sizes; return the declared length of a document."""

    def plain(self, source: Source, what: str, stored: Mapping[str, Any]) -> dict[str, object]:
        """Return the state that flair receives (R005, R006)."""
        refuse_other_keys(source, what, stored, {"__cls__", self.words, *self.keys})
        made = known_values(source, what, stored, self.keys)
        return {**made, self.words: self.plain_words(source, what, stored.get(self.words))}

    def plain_words(self, source: Source, what: str, stored: Any) -> object:  # noqa: ANN401 - of a stranger's file
        """Return the state of the embeddings of tokens."""
        del what
        return embedding_stack.plain_stack(source, stored)

    def members(self, document: Document) -> list[TokenEmbeddings]:
        """Return the embeddings of tokens by their place in the stack."""
        loaded: Any = document
        return embedding_stack.members(loaded.embeddings)

    def weights(self, document: Document) -> Weights | None:
        """Return the weights between tokens and documents, or `None` without any."""
        del document
        return None

    def poolings(self, document: Document) -> list[str]:
        """Return how tokens are pooled: once, or for each embedding in the order in which flair joins them."""
        del document
        return []
