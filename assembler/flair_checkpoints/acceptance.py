"""Accepts or refuses the content of a flair checkpoint: which classes, options and values can be assembled."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from flair.embeddings import (
    DocumentEmbeddings,
    DocumentLMEmbeddings,
    DocumentPoolEmbeddings,
    DocumentRNNEmbeddings,
    FlairEmbeddings,
    StackedEmbeddings,
    TokenEmbeddings,
    TransformerWordEmbeddings,
    WordEmbeddings,
)
from flair.embeddings.token import HashEmbeddings, OneHotEmbeddings
from sentencepiece import SentencePieceProcessor

from assembler.flair_checkpoints.encoder import encoder_refused
from assembler.flair_checkpoints.stored_dictionary import check_dictionary, is_id, is_text
from assembler.flair_checkpoints.stored_encoder import encoder_refused_as_stored
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flair.models import LanguageModel, TextClassifier, TokenClassifier

    from assembler.flair_checkpoints.loading import Labeller
    from assembler.forms.source import Source

#: The embeddings whose parts can be built.
_SUPPORTED = (
    "StackedEmbeddings", "FlairEmbeddings", "TransformerWordEmbeddings", "WordEmbeddings", "OneHotEmbeddings",
    "HashEmbeddings", "BytePairEmbeddings", "NILCEmbeddings",
)  # fmt: skip
#: Why the parts of others cannot; the lines are those of flair 0.15.1's embeddings/token.py.
_REASONS = {
    "CharacterEmbeddings": "which assigns a word that occurs twice another word's vector (token.py 493-531)",
    "PooledFlairEmbeddings": "which changes while it predicts (token.py 936-979)",
    "FastTextEmbeddings": "whose vectors of unknown words the library gensim makes (token.py 1064)",
    "MuseCrosslingualEmbeddings": "which downloads a table for the language that it guesses (token.py 1332)",
    "ELMoEmbeddings": "which flair 0.15.1 runs with the library allennlp",
}
_MOST_EMBEDDINGS = 64
#: The number of characters of a stranger's name that are shown.
_SHOWN = 60
#: The embeddings of documents whose parts can be built.
_DOCUMENTS = ("DocumentPoolEmbeddings", "DocumentRNNEmbeddings", "DocumentLMEmbeddings")
_DOCUMENT_HINT = f"embeddings of documents that can be assembled: {', '.join(_DOCUMENTS)}"
_HINT = f"embeddings that can be assembled: {', '.join(_SUPPORTED)}"


def stacked(tagger: Labeller) -> list[TokenEmbeddings]:
    """Return the embeddings of a tagger, or of the documents of a classifier, by their place in its stack."""
    stack: Any = tagger.embeddings
    if isinstance(stack, DocumentPoolEmbeddings | DocumentRNNEmbeddings | DocumentLMEmbeddings):
        stack = stack.embeddings
    if isinstance(stack, list):
        return list(stack)
    return list(stack.embeddings) if isinstance(stack, StackedEmbeddings) else [stack]


def check_stored_embeddings(source: Source, stored: object) -> None:
    """Refuse embeddings that cannot be assembled before flair makes them. Some of them download, or run for minutes."""
    if isinstance(stored, TokenEmbeddings):
        return  # an object, from a checkpoint that --trust let through
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the tagger are a {type(stored).__name__}")
    children = stored.get("embeddings") if _stored_class(source, stored) == _SUPPORTED[0] else []
    if not isinstance(children, list):
        raise damaged(source, f"the stack of the tagger is a {type(children).__name__}, expected a list of embeddings")
    _check_count(source, children)
    for place, child in enumerate(children):
        if not isinstance(child, dict):
            raise damaged(source, f"embedding {place} of the tagger is a {type(child).__name__}")
        if _stored_class(source, child) == _SUPPORTED[0]:
            raise refuse(source, f"embedding {place} of the tagger is StackedEmbeddings", _HINT)


def check_stored_document(source: Source, stored: object) -> None:
    """Refuse embeddings of documents that cannot be assembled, before flair makes them."""
    if isinstance(stored, DocumentEmbeddings):
        return  # an object, from a checkpoint that --trust let through
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the classifier are a {type(stored).__name__}")
    cls = stored_class(stored)
    if cls not in _DOCUMENTS or stored["__cls__"] != cls:
        raise refuse(source, f"the classifier uses {cls or 'embeddings without a class'}", _DOCUMENT_HINT)
    if cls != _DOCUMENTS[-1]:
        check_stored_embeddings(source, stored.get("embeddings"))
        return
    models = stored.get("flair_embeddings")
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise damaged(source, f"the language models of the classifier are a {type(models).__name__}")
    _check_count(source, models)
    for model in models:
        if _stored_class(source, model) != "FlairEmbeddings":
            raise refuse(source, f"the language models of the classifier hold {model['__cls__']}", _DOCUMENT_HINT)


def _check_count(source: Source, embeddings: list[Any]) -> None:
    """Refuse more embeddings than anybody stacks (R006). Each is checked, and naming one again takes a few bytes."""
    if len(embeddings) > _MOST_EMBEDDINGS:
        raise damaged(
            source, f"the checkpoint stacks {len(embeddings)} embeddings, expected at most {_MOST_EMBEDDINGS}"
        )


def _with_reason(cls: str) -> str:
    return f"{cls}, {_REASONS[cls]}" if cls in _REASONS else cls


def stored_class(stored: Mapping[str, Any]) -> str:
    """Return the last part of the class that stored embeddings name, or an empty text if they name none."""
    cls = stored.get("__cls__")
    return cls.rpartition(".")[2][:_SHOWN] if type(cls) is str and cls.isprintable() else ""


def _stored_class(source: Source, stored: dict[str, Any]) -> str:
    """Return the class of stored embeddings, which is a supported one."""
    cls = stored_class(stored)
    if cls not in _SUPPORTED or stored["__cls__"] != cls:
        raise refuse(source, f"the tagger uses {_with_reason(cls) or 'embeddings without a class'}", _HINT)
    if cls == "TransformerWordEmbeddings":
        reason = encoder_refused_as_stored(stored)
        if reason is not None:
            raise refuse(source, f"the encoder of the tagger {reason}")
    if cls == "BytePairEmbeddings":
        _check_stored_pieces(source, stored)
    return cls


def _check_stored_pieces(source: Source, stored: dict[str, Any]) -> None:
    """Refuse word pieces that flair cannot load, before it writes them to a file.

    Raises:
        SourceError: Their vectors are in a file of another library (R005), or there is no sentencepiece model (R006).
    """
    if "word2vec_binary" in stored:
        message = "the tagger uses BytePairEmbeddings whose vectors flair reads with the package 'bpemb'"
        raise refuse(source, message, "load the tagger where bpemb is installed, and save it again with flair 0.15.1")
    model = stored.get("spm_model_binary")
    if not isinstance(model, bytes) or not model:
        got = "nothing" if not model else f"a {type(model).__name__}"
        raise damaged(source, f"the sentencepiece model of BytePairEmbeddings is {got}, expected its bytes")
    try:
        SentencePieceProcessor(model_proto=model).vocab_size()
    except RuntimeError as err:
        raise damaged(source, f"the sentencepiece model of BytePairEmbeddings cannot be read: {err}") from err


def check_classifier(source: Source, classifier: TokenClassifier | TextClassifier) -> None:
    """Refuse a loaded classifier with an embedding, an option or a value that cannot be assembled.

    Raises:
        SourceError: An embedding or an option cannot be assembled (R005), or a value is damaged (R006).
    """
    document = type(classifier.embeddings).__name__
    if isinstance(classifier.embeddings, DocumentEmbeddings) and document not in _DOCUMENTS:
        raise refuse(source, f"the classifier uses {document}", _DOCUMENT_HINT)
    if classifier._custom_decoder:  # noqa: SLF001 - flair's own switch
        raise refuse(source, "the classifier has a decoder of its own instead of a linear layer")
    if isinstance(classifier.embeddings, DocumentEmbeddings):
        thresholds = classifier.multi_label_threshold
        if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in thresholds.values()):
            raise damaged(source, "a threshold of the classifier is no number from 0 to 1")
    elif classifier.multi_label:
        raise refuse(source, "the classifier of tokens gives several labels to each (multi_label)")
    check_tagger(source, classifier)


def check_tagger(source: Source, tagger: Labeller) -> None:
    """Refuse a loaded tagger with an embedding, an option or a value that cannot be assembled.

    Raises:
        SourceError: An embedding or an option cannot be assembled (R005), or a value is damaged (R006).
    """
    if not is_text(tagger.label_type):
        raise damaged(source, "the type of the tagger's labels is no text")
    check_dictionary(source, "the dictionary of labels", tagger.label_dictionary, distinct=True)
    embeddings = stacked(tagger)
    for index, embedding in enumerate(embeddings):
        if type(embedding).__name__ not in _SUPPORTED[1:]:
            raise refuse(source, f"embedding {index} of the tagger is {_with_reason(type(embedding).__name__)}", _HINT)
        _check_embedding(source, f"embedding {index} of the tagger", embedding)
        reason = _option_refused(embedding)
        if reason is not None:
            raise refuse(source, f"embedding {index} of the tagger {reason}")
    if len({each.respect_document_boundaries for each in embeddings if getattr(each, "context_length", 0)}) > 1:
        raise refuse(
            source, "two encoders of the tagger read their neighbours in two ways (respect_document_boundaries)"
        )
    names = [embedding.name for embedding in embeddings]
    for name in names:
        if names.count(name) > 1:
            # flair skips an embedding whose name every token already has (base.py 50), so both return the first one's
            # vectors
            raise refuse(source, f"two embeddings of the tagger have the name '{name}'", "flair takes one for both")


def _check_embedding(source: Source, what: str, embedding: TokenEmbeddings) -> None:
    """Refuse an embedding that flair loads but that later fails.

    Raises:
        SourceError: Its name, dictionary, vocabulary or hash function is invalid (R006).
    """
    if not is_text(embedding.name):
        raise damaged(source, f"{what} has a name that is no text")
    if isinstance(embedding, FlairEmbeddings):
        check_language_model(source, embedding.lm)
    elif isinstance(embedding, OneHotEmbeddings):
        check_dictionary(source, f"the vocabulary of {what}", embedding.vocab_dictionary)
    elif isinstance(embedding, WordEmbeddings):
        vocab = embedding.vocab
        if not isinstance(vocab, dict) or not all(isinstance(word, str) and is_id(row) for word, row in vocab.items()):
            raise damaged(source, f"the vocabulary of {what} is no table of words and rows")
    elif isinstance(embedding, HashEmbeddings):
        method = vars(embedding)["_HashEmbeddings__hash_method"]
        try:
            hashlib.new(method).hexdigest()
        except (TypeError, ValueError) as err:
            raise damaged(source, f"{what} hashes by {_shown(method)}, which Python does not know") from err


def check_language_model(source: Source, model: LanguageModel) -> None:
    """Refuse a language model whose texts cannot be written as UTF-8 (R006)."""
    check_dictionary(source, "the dictionary of characters", model.dictionary)
    if not is_text(vars(model).get("document_delimiter", "\n")):  # old objects lack it
        raise damaged(source, "the document_delimiter of a language model is no text")


def _shown(value: object) -> str:
    return f"{value!r:.60}" if isinstance(value, str | bytes) else f"a {type(value).__name__}"


def _option_refused(embedding: TokenEmbeddings) -> str | None:
    """Return the reason why an embedding has an option that cannot be assembled."""
    return next(_options_refused(embedding), None)


def _options_refused(embedding: TokenEmbeddings) -> Iterator[str]:
    if isinstance(embedding, TransformerWordEmbeddings):
        yield from encoder_refused(embedding)
    text = "text" if isinstance(embedding, OneHotEmbeddings) else None
    field = getattr(embedding, "field", text)
    if field != text:
        yield f"reads the label '{field}' of each token instead of its text"
    if isinstance(embedding, WordEmbeddings) and sorted(embedding.vocab.values()) != list(range(len(embedding.vocab))):
        yield "has a vocabulary whose rows are not numbered from 0 without gaps"
    if isinstance(embedding, OneHotEmbeddings) and not embedding.vocab_dictionary.add_unk:
        yield "has a vocabulary without <unk>, on which flair fails at the first unknown word"
