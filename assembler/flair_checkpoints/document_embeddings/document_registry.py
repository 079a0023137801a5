"""The readers of flair's embeddings of documents, by the class that is stored and by the class that is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from flair.embeddings import DocumentEmbeddings

from assembler.flair_checkpoints.document_embeddings.document_lm_embeddings import DocumentLmReader
from assembler.flair_checkpoints.document_embeddings.document_pool_embeddings import DocumentPoolReader
from assembler.flair_checkpoints.document_embeddings.document_rnn_embeddings import DocumentRnnReader
from assembler.flair_checkpoints.document_embeddings.transformer_document_embeddings import TransformerDocumentReader
from assembler.flair_checkpoints.stored_values import stored_class
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.document_embeddings.document_reader import DocumentReader, Size
    from assembler.forms.source import Source

    Reader: TypeAlias = DocumentReader[Any]

_READERS: tuple[Reader, ...] = (
    DocumentPoolReader(),
    DocumentRnnReader(),
    DocumentLmReader(),
    TransformerDocumentReader(),
)
_STORED: Mapping[str, Reader] = {name: reader for reader in _READERS for name in reader.names}
#: The classes of embeddings of documents that can be assembled.
SUPPORTED = tuple(_STORED)
#: Why others cannot be assembled; the lines are those of flair 0.15.1's embeddings/document.py.
_REASONS = {
    "SentenceTransformerDocumentEmbeddings": "which flair makes anew from a name alone, by another library (538-602)"
}
HINT = f"embeddings of documents that can be assembled: {', '.join(SUPPORTED)}"


def check_stored(source: Source, stored: object) -> None:
    """Refuse embeddings of documents that cannot be assembled, before flair makes them."""
    if isinstance(stored, DocumentEmbeddings):
        return  # an object, from a checkpoint that --trust let through
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the classifier are a {type(stored).__name__}")
    cls = stored_class(stored)
    if cls not in _STORED or stored["__cls__"] != cls:
        raise refuse(source, f"the classifier uses {_with_reason(cls) or 'embeddings without a class'}", HINT)
    _STORED[cls].check_stored(source, stored)


def needs(stored: Mapping[str, Any], prefix: str) -> Generator[Need, None, Size]:
    """Yield the weights that stored embeddings require; return the declared length of a document."""
    return (yield from _STORED[stored_class(stored)].needs(stored, prefix))


def plain(source: Source, stored: object) -> dict[str, object]:
    """Return the state of embeddings of documents for flair. Their classes were already checked.

    Raises:
        SourceError: There is an option that flair does not write (R005), or a value of another sort (R006).
    """
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the classifier are a {type(stored).__name__}")
    cls = str(stored["__cls__"])
    return {"__cls__": cls, **_STORED[cls].plain(source, "the embeddings of the classifier", stored)}


def check(source: Source, document: DocumentEmbeddings) -> None:
    """Refuse loaded embeddings of a class that cannot be assembled (R005)."""
    if type(document).__name__ not in _STORED:
        raise refuse(source, f"the classifier uses {_with_reason(type(document).__name__)}", HINT)


def reader_of(document: DocumentEmbeddings) -> Reader:
    """Return the reader of loaded embeddings, which were accepted.

    Raises:
        TypeError: They are of a class that has none.
    """
    for reader in _READERS:
        if isinstance(document, reader.cls):
            return reader
    raise TypeError(document)


def _with_reason(cls: str) -> str:
    """Return the name of a class that cannot be assembled, with the reason if it is known."""
    return f"{cls}, {_REASONS[cls]}" if cls in _REASONS else cls
