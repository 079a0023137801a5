"""Weights of the parts that turn tokens into documents, and documents into labels, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assembler.interface.examples import SENTENCES, Texts
from assembler.weights.decisions import SentenceLabels, SentenceNumbers, decisions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.weights.layers import Linear, Recurrent
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True, eq=False)
class WordLayersWeights:
    """The layers of DocumentPoolEmbeddings before its pooling.

    Attributes:
        first: float32 [features, features], `x @ first.T`.
        second: The layer after a ReLU, or `None` if the mode is linear.
        reference: Runs the loaded model itself.
    """

    sort: ClassVar[str] = "word_layers"

    first: Array
    second: Linear | None
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`."""
        return {"embedding_size": self.first.shape[1]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `embeddings` and return `rows`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class DocumentRnnWeights:
    """The layers of DocumentRNNEmbeddings.

    Attributes:
        embedding_size: Features of a token.
        reprojection: The optional linear layer in front.
        recurrent: The recurrent layers, one or two directions each.
        reference: Runs the loaded model itself.
    """

    sort: ClassVar[str] = "document_rnn"

    embedding_size: int
    reprojection: Linear | None
    recurrent: Recurrent
    reference: Callable[[Arrays], Arrays]

    @property
    def bidirectional(self) -> bool:
        """Whether the states of the first and of the last token are joined."""
        return len(self.recurrent.layers[-1]) > 1

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`, and `document_size`: the features of a document."""
        size = self.recurrent.output_size * (2 if self.bidirectional else 1)
        return {"embedding_size": self.embedding_size, "document_size": size}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `embeddings` and `lengths` and return `documents`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class SubtokenDocumentWeights:
    """How the states of an encoder's subtokens become a document.

    Attributes:
        pooling: Which states count.
        padding: The subtoken after the end of a shorter text, which does not count.
        reference: Runs flair's own pooling.
    """

    sort: ClassVar[str] = "subtoken_document"

    pooling: Literal["first", "last", "mean", "max"]
    padding: int
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return nothing: no size depends on it."""
        return {}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run flair's pooling on `states` and `subtokens` and return `documents`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class TextHeadWeights:
    """The layers of a TextClassifier after its document embeddings.

    Attributes:
        linear: The map to the labels.
        labels: The labels by class id.
        label_type: What the labels are, such as `sentiment`.
        multi_label: Whether each class has a probability of its own (sigmoid), or all share one (softmax).
        thresholds: For each class what its probability must exceed, where there are several labels.
        reference: Runs the loaded model itself.
        texts: What its examples consist of.
    """

    sort: ClassVar[str] = "text_head"

    linear: Linear
    labels: tuple[str, ...]
    label_type: str
    multi_label: bool
    thresholds: tuple[float, ...]
    reference: Callable[[Arrays], Arrays]
    texts: Texts = SENTENCES

    @property
    def decisions(self) -> SentenceLabels:
        """Its decision."""
        return SentenceLabels(self.labels, self.label_type, self.multi_label, self.thresholds, texts=self.texts)

    def facts(self) -> Mapping[str, int]:
        """Return `document_size` and `label_count`."""
        return {"document_size": self.linear.weight.shape[1], "label_count": len(self.labels)}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `documents` and return `probabilities` and `emissions`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class SentenceLabelWeights:
    """What the parts after a head of sentences take from it: its labels, and what each must exceed."""

    about: SentenceLabels

    def facts(self) -> Mapping[str, int]:
        """Return `label_count`."""
        return {"label_count": len(self.about.labels)}

    def run(self, _inputs: Arrays) -> Arrays | None:
        """Return nothing: the source decides within a whole run."""
        return None


def sentence_labels_of(weights: Weights) -> SentenceLabelWeights | None:
    """Return the labels of a part that decides on labels of sentences, or `None` for another part."""
    decisions = decisions_of(weights)
    return SentenceLabelWeights(decisions) if isinstance(decisions, SentenceLabels) else None


@dataclass(frozen=True, slots=True, eq=False)
class NumberHeadWeights:
    """The layer of a TextRegressor after its document embeddings.

    Attributes:
        linear: The map to the number.
        label_type: What the numbers are, such as `rating`.
        reference: Runs the loaded model itself.
        texts: What its examples consist of.
    """

    sort: ClassVar[str] = "number_head"

    linear: Linear
    label_type: str
    reference: Callable[[Arrays], Arrays]
    texts: Texts = SENTENCES

    @property
    def decisions(self) -> SentenceNumbers:
        """Its decision."""
        return SentenceNumbers(self.label_type, self.texts)

    def facts(self) -> Mapping[str, int]:
        """Return `document_size`."""
        return {"document_size": self.linear.weight.shape[1]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `documents` and return `numbers`."""
        return self.reference(inputs)
