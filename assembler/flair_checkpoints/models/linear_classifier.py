"""What flair's classifiers of tokens and of texts share: `DefaultClassifier`, with one linear layer as its decoder.

NN is flair 0.15.1's nn/model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch

from assembler.flair_checkpoints.embeddings import embedding_stack
from assembler.flair_checkpoints.models.model_reader import ModelReader
from assembler.flair_checkpoints.stored_values import (
    DICTIONARY,
    FLAG,
    LABEL_WEIGHTS,
    SHARE,
    TEXT,
    THRESHOLDS,
    or_none,
)
from assembler.flair_checkpoints.torch_layers import linear_of
from assembler.flair_checkpoints.trust import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    import flair.nn

    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.layers import Linear

Classifier = TypeVar("Classifier", bound="flair.nn.DefaultClassifier[Any, Any]")

#: The keys that flair writes (NN 973-1006, text_classification_model.py 67-106, word_tagger_model.py 79-97).
KEYS: Keys = {
    "label_dictionary": DICTIONARY, "label_type": TEXT, "dropout": SHARE, "word_dropout": SHARE,
    "locked_dropout": SHARE, "multi_label": or_none(FLAG), "multi_label_threshold": or_none(THRESHOLDS),
    "loss_weights": LABEL_WEIGHTS, "weight_dict": LABEL_WEIGHTS, "train_on_gold_pairs_only": FLAG,
    "inverse_model": FLAG,
}  # fmt: skip


class LinearClassifierReader(ModelReader[Classifier]):
    """Reads a classifier with a linear decoder."""

    called = "the classifier"
    keys: ClassVar[Keys] = KEYS

    def check_stored(self, source: Source, state: Mapping[str, Any]) -> None:
        """Refuse options from which flair would make further modules, before it makes them."""
        if state.get("decoder") is not None:
            raise refuse(source, "the classifier has a decoder of its own instead of a linear layer")
        if state.get("inverse_model"):
            raise refuse(source, "the classifier was trained with reversed gradients (inverse_model)")
        self.check_embedded(source, state.get(self.embedded))

    def check_embedded(self, source: Source, stored: object) -> None:
        """Refuse embeddings that flair must not make (R005, R006)."""
        embedding_stack.check_stored(source, stored)

    def check(self, source: Source, model: Classifier) -> None:
        """Refuse a decoder of another sort."""
        if model._custom_decoder:  # noqa: SLF001 - flair's own switch
            raise refuse(source, "the classifier has a decoder of its own instead of a linear layer")
        super().check(source, model)


def decoder_of(classifier: flair.nn.DefaultClassifier[Any, Any]) -> Linear:
    """Return the decoder, which is a linear layer if it is flair's own (NN 596)."""
    if not isinstance(classifier.decoder, torch.nn.Linear):
        raise TypeError(classifier.decoder)
    return linear_of(classifier.decoder)
