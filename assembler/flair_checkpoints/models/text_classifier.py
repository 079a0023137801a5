"""`TextClassifier`: a linear layer on the embeddings of documents; one label, or those above a threshold.

NN is flair 0.15.1's nn/model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.models import TextClassifier

from assembler.flair_checkpoints.declared_sizes import Need, length_of
from assembler.flair_checkpoints.document_embeddings import document_registry
from assembler.flair_checkpoints.models.linear_classifier import Classifier, LinearClassifierReader, decoder_of
from assembler.flair_checkpoints.models.of_documents import DocumentModelReader, given
from assembler.flair_checkpoints.torch_layers import array_of
from assembler.flair_checkpoints.trust import damaged
from assembler.forms.opened import Classified
from assembler.interface.examples import SENTENCES
from assembler.weights.documents import TextHeadWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import flair.nn
    from flair.data import DataPoint

    from assembler.core.arrays import Arrays
    from assembler.forms.source import Source
    from assembler.interface.examples import Example, Texts


class DocumentClassifierReader(DocumentModelReader[Classifier], LinearClassifierReader[Classifier]):
    """Reads a classifier of documents."""

    def needs(self, state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
        """Yield the weights of the documents and of the decoder (NN 590)."""
        old = any(str(name).startswith("document_embeddings.") for name in state.get("state_dict") or ())
        size = yield from document_registry.needs(stored, "document_embeddings." if old else "embeddings.")
        labels = ("labels", length_of(state.get("label_dictionary")))
        yield Need("decoder.weight", (labels, *self.size(state, size)))

    def check(self, source: Source, model: Classifier) -> None:
        """Refuse documents that cannot be assembled, and damaged thresholds."""
        document_registry.check(source, self.documents(model))
        thresholds = model.multi_label_threshold
        if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in thresholds.values()):
            raise damaged(source, "a threshold of the classifier is no number from 0 to 1")
        super().check(source, model)

    def head(self, model: Classifier) -> TextHeadWeights:
        """Return the linear layer after the documents, and the thresholds."""
        return text_head_weights(model, self.texts(model))

    def classify(self, model: Classifier, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Classified]:
        """Label sentences as `classify` below."""
        return classify(model, SENTENCES.made_of(sentences), batch_size)

    def label(self, model: Classifier, examples: Sequence[Example], batch_size: int) -> list[Classified]:
        """Label examples as `classify` below."""
        return classify(model, examples, batch_size)


class TextClassifierReader(DocumentClassifierReader[TextClassifier]):
    """Reads `TextClassifier`."""

    cls = TextClassifier
    names = ("TextClassifier",)


@torch.no_grad()
def classify(
    classifier: flair.nn.DefaultClassifier[Any, Any], examples: Sequence[Example], batch_size: int
) -> list[Classified]:
    """Label examples with flair's own `predict`, and again for the probabilities of all classes.

    `predict` leaves the class `O` out, whose probability is not compared.
    """
    whole: list[Any] = [given(example) for example in examples]
    classifier.predict(whole, mini_batch_size=batch_size, label_name="chosen")
    classifier.predict(whole, mini_batch_size=batch_size, label_name="all", return_probabilities_for_all_classes=True)
    return [Classified(_scores(sentence, "chosen"), _scores(sentence, "all")) for sentence in whole]


def _scores(sentence: DataPoint, name: str) -> dict[str, float]:
    return {label.value: label.score for label in sentence.get_labels(name)}


def text_head_weights(classifier: flair.nn.DefaultClassifier[Any, Any], texts: Texts = SENTENCES) -> TextHeadWeights:
    """Return the weights of a classifier after its document embeddings, and its thresholds (NN 909-914)."""
    labels = tuple(classifier.label_dictionary.get_items())
    default = classifier.multi_label_threshold["default"]
    return TextHeadWeights(
        linear=decoder_of(classifier),
        labels=labels,
        label_type=str(classifier.label_type),
        multi_label=bool(classifier.multi_label),
        thresholds=tuple(float(classifier.multi_label_threshold.get(label, default)) for label in labels),
        reference=lambda inputs: _run_text_head(classifier, inputs),
        texts=texts,
    )


@torch.no_grad()
def _run_text_head(classifier: flair.nn.DefaultClassifier[Any, Any], inputs: Arrays) -> Arrays:
    emissions = classifier.decoder(torch.from_numpy(np.array(inputs["documents"])))
    given = torch.sigmoid(emissions) if classifier.multi_label else torch.softmax(emissions, dim=-1)
    return {"probabilities": array_of(given), "emissions": array_of(emissions), "embeddings": inputs["documents"]}
