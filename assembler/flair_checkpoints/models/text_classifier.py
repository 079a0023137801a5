"""`TextClassifier`: a linear layer on the embeddings of documents; one label, or those above a threshold.

NN is flair 0.15.1's nn/model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.data import Sentence
from flair.models import TextClassifier

from assembler.flair_checkpoints.declared_sizes import Need, length_of
from assembler.flair_checkpoints.document_embeddings import document_registry
from assembler.flair_checkpoints.models.linear_classifier import LinearClassifierReader, decoder_of
from assembler.flair_checkpoints.torch_layers import array_of
from assembler.flair_checkpoints.trust import damaged
from assembler.forms.opened import Classified
from assembler.weights.documents import TextHeadWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import flair.nn
    from flair.embeddings import DocumentEmbeddings, TokenEmbeddings

    from assembler.core.arrays import Arrays
    from assembler.forms.source import Source
    from assembler.weights.protocol import Weights


class TextClassifierReader(LinearClassifierReader[TextClassifier]):
    """Reads `TextClassifier`."""

    cls = TextClassifier
    names = ("TextClassifier",)
    embedded = "document_embeddings"
    of_sentences = True

    def check_embedded(self, source: Source, stored: object) -> None:
        """Refuse documents that flair must not make."""
        document_registry.check_stored(source, stored)

    def needs(self, state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
        """Yield the weights of the documents and of the decoder (NN 590)."""
        old = any(str(name).startswith("document_embeddings.") for name in state.get("state_dict") or ())
        size = yield from document_registry.needs(stored, "document_embeddings." if old else "embeddings.")
        yield Need("decoder.weight", (("labels", length_of(state.get("label_dictionary"))), *size))

    def plain(self, source: Source, stored: object) -> dict[str, object]:
        """Return the state of the documents."""
        return document_registry.plain(source, stored)

    def check(self, source: Source, model: TextClassifier) -> None:
        """Refuse documents that cannot be assembled, and damaged thresholds."""
        document_registry.check(source, documents_of(model))
        thresholds = model.multi_label_threshold
        if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in thresholds.values()):
            raise damaged(source, "a threshold of the classifier is no number from 0 to 1")
        super().check(source, model)

    def members(self, model: TextClassifier) -> list[TokenEmbeddings]:
        """Return the embeddings that the documents are made of."""
        return document_registry.reader_of(documents_of(model)).members(documents_of(model))

    def head(self, model: TextClassifier) -> TextHeadWeights:
        """Return the linear layer after the documents, and the thresholds."""
        return text_head_weights(model)

    def parts(self, model: TextClassifier) -> dict[str, Callable[[], Weights]]:
        """Return the head, and the weights between tokens and documents if there are any."""
        parts = super().parts(model)
        weights = document_registry.reader_of(documents_of(model)).weights(documents_of(model))
        if weights is not None:
            parts["document"] = lambda: weights
        return parts

    def classify(self, model: TextClassifier, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Classified]:
        """Label sentences as `classify` below."""
        return classify(model, sentences, batch_size)


def documents_of(model: flair.nn.Model[Any]) -> DocumentEmbeddings:
    """Return the embeddings of documents of a classifier."""
    loaded: Any = model
    documents: DocumentEmbeddings = loaded.embeddings
    return documents


@torch.no_grad()
def classify(classifier: TextClassifier, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Classified]:
    """Label sentences with flair's own `predict`, and again for the probabilities of all classes.

    `predict` leaves the class `O` out, whose probability is not compared.
    """
    whole = [Sentence(list(tokens)) for tokens in sentences]
    classifier.predict(whole, mini_batch_size=batch_size, label_name="chosen")
    classifier.predict(whole, mini_batch_size=batch_size, label_name="all", return_probabilities_for_all_classes=True)
    return [Classified(_scores(sentence, "chosen"), _scores(sentence, "all")) for sentence in whole]


def _scores(sentence: Sentence, name: str) -> dict[str, float]:
    return {label.value: label.score for label in sentence.get_labels(name)}


def text_head_weights(classifier: TextClassifier) -> TextHeadWeights:
    """Return the weights of a TextClassifier after its document embeddings, and its thresholds (NN 909-914)."""
    labels = tuple(classifier.label_dictionary.get_items())
    default = classifier.multi_label_threshold["default"]
    return TextHeadWeights(
        linear=decoder_of(classifier),
        labels=labels,
        label_type=classifier.label_type,
        multi_label=bool(classifier.multi_label),
        thresholds=tuple(float(classifier.multi_label_threshold.get(label, default)) for label in labels),
        reference=lambda inputs: _run_text_head(classifier, inputs),
    )


@torch.no_grad()
def _run_text_head(classifier: TextClassifier, inputs: Arrays) -> Arrays:
    emissions = classifier.decoder(torch.from_numpy(np.array(inputs["documents"])))
    given = torch.sigmoid(emissions) if classifier.multi_label else torch.softmax(emissions, dim=-1)
    return {"probabilities": array_of(given), "emissions": array_of(emissions), "embeddings": inputs["documents"]}
