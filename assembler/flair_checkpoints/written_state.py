"""The state of a loaded model as flair 0.15.1 writes it, with the options that flair reads but does not write.

`with_whitespace` of FlairEmbeddings and the cell of a language model are arguments of what flair makes of a state (TK
874, LM 423), so flair itself reads them from here. It lacks a place for the names of some embeddings, by which it joins
them: `kept_names` keeps these. TK is flair 0.15.1's embeddings/token.py, LM its
models/language_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flair.embeddings import (
    DocumentLMEmbeddings,
    DocumentPoolEmbeddings,
    DocumentRNNEmbeddings,
    FlairEmbeddings,
    StackedEmbeddings,
)
from flair.models import SequenceTagger

from assembler.flair_checkpoints.models.model_registry import reader_of
from assembler.flair_checkpoints.trust import refuse

if TYPE_CHECKING:
    from flair.models import LanguageModel

    from assembler.flair_checkpoints.models.model_registry import Labeller
    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.forms.source import Source


def language_model_state(model: LanguageModel) -> dict[str, Any]:
    """Return what `LanguageModel.save` writes (LM 286-302)."""
    return {
        "state_dict": model.state_dict(),
        **_language_model(model),
        "has_decoder": model.decoder is not None,
    }


def _language_model(model: LanguageModel) -> dict[str, Any]:
    return {
        "dictionary": model.dictionary,
        "is_forward_lm": model.is_forward_lm,
        "hidden_size": model.hidden_size,
        "nlayers": model.nlayers,
        "embedding_size": model.embedding_size,
        "nout": model.nout,
        "document_delimiter": vars(model).get("document_delimiter", "\n"),  # old objects lack it (TK 804)
        "dropout": model.dropout,
        "recurrent_type": type(model.rnn).__name__.lower(),
    }


def state_of(source: Source, model: Labeller | None) -> dict[str, Any]:
    """Return what flair's `save` writes, and the options that it leaves out.

    Raises:
        SourceError: flair's plain form cannot hold the model (R005).
    """
    if model is None:
        raise TypeError(model)
    if isinstance(model, SequenceTagger) and model.use_rnn and not model.rnn.bidirectional:
        message = "the tagger reads sentences in one direction, which flair's plain form cannot say (ST 617-639)"
        raise refuse(source, message, "build it from the object, with --trust")
    for embedding in reader_of(model).members(model):
        if isinstance(embedding, FlairEmbeddings):
            vars(embedding.lm).setdefault("document_delimiter", "\n")  # flair's own `save` reads it
    state: dict[str, Any] = model._get_state_dict()  # noqa: SLF001 - what flair's `save` writes
    key = next((key for key in ("document_embeddings", "embeddings") if key in state), None)
    if key is not None:  # an encoder of a TARSTagger, under another key, has no option that flair leaves out
        _complete(state[key], model.embeddings)
    return state


def _complete(state: dict[str, Any], embeddings: Any) -> None:  # noqa: ANN401 - of tokens or of documents
    """Add the options of language models to the state of embeddings."""
    if isinstance(embeddings, FlairEmbeddings):
        state["with_whitespace"] = embeddings.with_whitespace
        state["model_params"]["recurrent_type"] = _language_model(embeddings.lm)["recurrent_type"]
    elif isinstance(embeddings, StackedEmbeddings | DocumentLMEmbeddings):
        children = state["flair_embeddings" if isinstance(embeddings, DocumentLMEmbeddings) else "embeddings"]
        for child, embedding in zip(children, embeddings.embeddings, strict=True):
            _complete(child, embedding)
    elif isinstance(embeddings, DocumentPoolEmbeddings | DocumentRNNEmbeddings):
        _complete(state["embeddings"], embeddings.embeddings)


def names_of(opened: FlairSource) -> list[str]:
    """Return the names of the embeddings, by their place."""
    return [embedding.name for embedding in opened.embeddings]
