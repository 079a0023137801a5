"""`TextPairClassifier` and `TextTripleClassifier`: texts that are joined, or whose documents are.

Texts are joined by a space, or by the separator of a transformer; with `embed_separately` each is embedded alone, and
the vectors are joined (flair 0.15.1, models/pairwise_classification_model.py 38-102, and the lines 44-96 of
models/triple_classification_model.py).
"""

from __future__ import annotations

from typing import ClassVar

from flair.models import TextPairClassifier, TextTripleClassifier

from assembler.flair_checkpoints.models.linear_classifier import KEYS
from assembler.flair_checkpoints.models.text_classifier import DocumentClassifierReader
from assembler.flair_checkpoints.stored_values import FLAG, Keys

_KEYS: Keys = {**KEYS, "embed_separately": FLAG}


class TextPairClassifierReader(DocumentClassifierReader[TextPairClassifier]):
    """Reads `TextPairClassifier`."""

    cls = TextPairClassifier
    names = ("TextPairClassifier",)
    keys: ClassVar[Keys] = _KEYS
    count = 2


class TextTripleClassifierReader(DocumentClassifierReader[TextTripleClassifier]):
    """Reads `TextTripleClassifier`."""

    cls = TextTripleClassifier
    names = ("TextTripleClassifier",)
    keys: ClassVar[Keys] = _KEYS
    count = 3
