"""What flair's models on the embeddings of documents share, and how they are given examples of several texts.

PC is flair 0.15.1's models/pairwise_classification_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from flair.data import DataPair, DataTriple, Sentence

from assembler.flair_checkpoints.document_embeddings import document_registry
from assembler.flair_checkpoints.models.model_reader import ModelReader
from assembler.interface.examples import SENTENCES, Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import flair.nn
    from flair.data import DataPoint
    from flair.embeddings import DocumentEmbeddings, TokenEmbeddings

    from assembler.flair_checkpoints.document_embeddings.document_reader import Size
    from assembler.forms.source import Source
    from assembler.interface.examples import Example
    from assembler.weights.protocol import Weights

Model = TypeVar("Model", bound="flair.nn.Model[Any]")
_MADE: Mapping[int, Callable[..., Any]] = {1: lambda only: only, 2: DataPair, 3: DataTriple}


class DocumentModelReader(ModelReader[Model]):
    """Reads a model whose head is fed by documents.

    Attributes:
        count: The texts of each of its examples.
    """

    embedded = "document_embeddings"
    of_sentences = True
    count: ClassVar[int] = 1

    def check_embedded(self, source: Source, stored: object) -> None:
        """Refuse documents that flair must not make."""
        document_registry.check_stored(source, stored)

    def plain(self, source: Source, stored: object) -> dict[str, object]:
        """Return the state of the documents."""
        return document_registry.plain(source, stored)

    def documents(self, model: Model) -> DocumentEmbeddings:
        """Return the embeddings of documents."""
        loaded: Any = model
        documents: DocumentEmbeddings = loaded.embeddings
        return documents

    def members(self, model: Model) -> list[TokenEmbeddings]:
        """Return the embeddings that the documents are made of."""
        documents = self.documents(model)
        return document_registry.reader_of(documents).members(documents)

    def parts(self, model: Model) -> dict[str, Callable[[], Weights]]:
        """Return the head, and the weights between tokens and documents if there are any."""
        parts = super().parts(model)
        documents = self.documents(model)
        weights = document_registry.reader_of(documents).weights(documents)
        if weights is not None:
            parts["document"] = lambda: weights
        return parts

    def texts(self, model: Model) -> Texts:
        """Return what the examples of a model consist of, and how it joins them (PC 44-57)."""
        loaded: Any = model
        if self.count == 1:
            return SENTENCES
        return Texts(self.count, None if loaded.embed_separately else str(loaded.sep))

    def size(self, state: Mapping[str, Any], documents: tuple[Any, ...]) -> Size:
        """Return the declared sizes of what the head of a stored model reads, from those of a document."""
        apart = self.count > 1 and bool(state.get("embed_separately"))
        return (*documents, ("texts", self.count)) if apart else documents


def given(example: Example) -> DataPoint:
    """Return an example as flair is given it: a sentence, a pair or a triple."""
    texts = [Sentence(list(tokens)) for tokens in example.texts]
    made: DataPoint = _MADE[len(texts)](*texts)
    return made
