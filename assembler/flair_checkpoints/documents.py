"""Reads the weights of flair's classifiers, of tokens and of texts, from the loaded models.

DO is flair 0.15.1's embeddings/document.py, NN its nn/model.py, WT models/word_tagger_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from flair.embeddings import DocumentPoolEmbeddings, DocumentRNNEmbeddings
from flair.models import TextClassifier
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from assembler.flair_checkpoints.extraction import array_of, decided, inside_of, linear_of, recurrent_of
from assembler.weights.documents import DocumentRnnWeights, TextHeadWeights, WordLayersWeights
from assembler.weights.heads import TaggerHeadWeights

if TYPE_CHECKING:
    from flair.models import TokenClassifier

    from assembler.core.arrays import Arrays
    from assembler.flair_checkpoints.loading import Labeller
    from assembler.weights.layers import Linear


def token_head_weights(classifier: TokenClassifier) -> TaggerHeadWeights:
    """Return the weights of a TokenClassifier after its embeddings: one linear layer and softmax (NN 793-855)."""
    return TaggerHeadWeights(
        embedding_size=classifier.embeddings.embedding_length,
        reprojection=None,
        recurrent=None,
        linear=_decoder(classifier),
        labels=tuple(classifier.label_dictionary.get_items()),
        label_type=classifier.label_type,
        spans=classifier.span_prediction_problem,
        has_crf=False,
        reference=lambda inputs: _run_token_head(classifier, inputs),
        reading="token_classifier",
    )


def text_head_weights(classifier: TextClassifier) -> TextHeadWeights:
    """Return the weights of a TextClassifier after its document embeddings, and its thresholds (NN 909-914)."""
    labels = tuple(classifier.label_dictionary.get_items())
    default = classifier.multi_label_threshold["default"]
    return TextHeadWeights(
        linear=_decoder(classifier),
        labels=labels,
        label_type=classifier.label_type,
        multi_label=bool(classifier.multi_label),
        thresholds=tuple(float(classifier.multi_label_threshold.get(label, default)) for label in labels),
        reference=lambda inputs: _run_text_head(classifier, inputs),
    )


def _decoder(classifier: TokenClassifier | TextClassifier) -> Linear:
    """Return the decoder, which is a linear layer if it is flair's own (NN 596)."""
    if not isinstance(classifier.decoder, torch.nn.Linear):
        raise TypeError(classifier.decoder)
    return linear_of(classifier.decoder)


def document_weights(model: Labeller | None) -> WordLayersWeights | DocumentRnnWeights | None:
    """Return the weights that a TextClassifier has between its tokens and its documents, or `None` without any."""
    document = model.embeddings if isinstance(model, TextClassifier) else None
    if isinstance(document, DocumentRNNEmbeddings):
        return DocumentRnnWeights(
            embedding_size=document.length_of_all_token_embeddings,
            reprojection=linear_of(document.word_reprojection_map) if document.reproject_words else None,
            recurrent=recurrent_of(document.rnn),
            reference=lambda inputs: _run_document_rnn(document, inputs),
        )
    if isinstance(document, DocumentPoolEmbeddings) and document.fine_tune_mode in ("linear", "nonlinear"):
        second = document.embedding_flex_nonlinear_map if document.fine_tune_mode == "nonlinear" else None
        return WordLayersWeights(
            first=array_of(document.embedding_flex.weight),
            second=linear_of(second) if second is not None else None,
            reference=lambda inputs: _run_word_layers(document, inputs),
        )
    return None


@torch.no_grad()
def _run_token_head(classifier: TokenClassifier, inputs: Arrays) -> Arrays:
    tensor = torch.from_numpy(np.array(inputs["embeddings"]))
    tensor = tensor.reshape(len(inputs["lengths"]), -1, classifier.embeddings.embedding_length)
    inside = inside_of(torch.from_numpy(np.array(inputs["lengths"])), tensor.shape[1])
    return {**decided(classifier.decoder(tensor), inside), "embeddings": array_of(torch.where(inside, tensor, 0))}


@torch.no_grad()
def _run_text_head(classifier: TextClassifier, inputs: Arrays) -> Arrays:
    emissions = classifier.decoder(torch.from_numpy(np.array(inputs["documents"])))
    given = torch.sigmoid(emissions) if classifier.multi_label else torch.softmax(emissions, dim=-1)
    return {"probabilities": array_of(given), "emissions": array_of(emissions), "embeddings": inputs["documents"]}


@torch.no_grad()
def _run_word_layers(document: DocumentPoolEmbeddings, inputs: Arrays) -> Arrays:
    rows = document.embedding_flex(torch.from_numpy(np.array(inputs["embeddings"])))
    if document.fine_tune_mode == "nonlinear":
        rows = document.embedding_flex_nonlinear_map(document.embedding_flex_nonlinear(rows))
    return {"rows": array_of(rows)}


@torch.no_grad()
def _run_document_rnn(document: DocumentRNNEmbeddings, inputs: Arrays) -> Arrays:
    """Run the loaded modules as DO 325-398 does."""
    lengths = torch.from_numpy(np.array(inputs["lengths"]))
    tensor = torch.from_numpy(np.array(inputs["embeddings"]))
    tensor = tensor.reshape(len(lengths), -1, document.length_of_all_token_embeddings)
    if document.reproject_words:
        tensor = document.word_reprojection_map(tensor)
    packed = pack_padded_sequence(tensor, lengths, enforce_sorted=False, batch_first=True)
    outputs, _ = pad_packed_sequence(document.rnn(packed)[0], batch_first=True)
    last = outputs[torch.arange(len(lengths)), lengths - 1]
    return {"documents": array_of(torch.cat([outputs[:, 0], last], 1) if document.bidirectional else last)}
