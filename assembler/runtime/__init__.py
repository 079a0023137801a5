"""Runs an assembled tagger from its model file alone, with only numpy and ONNX Runtime.

    from assembler.runtime import Tagger

    tagger = Tagger("de-pos.onnx")
    for sentence in tagger.tag([["Berlin", "ist", "groß", "."]]):
        print(sentence.labels)

Importing this package imports numpy; ONNX Runtime is imported when the first `Tagger` is made.
"""

from __future__ import annotations

from assembler.core.errors import ModelError
from assembler.interface.examples import Example, Texts
from assembler.interface.ports import Tags
from assembler.interface.tasks import NumberTask, SentenceTask, TokenTask
from assembler.runtime.alphabet import Alphabet
from assembler.runtime.classifications import Classification, ClassifiedSentence, Label
from assembler.runtime.classifier import TextClassifier
from assembler.runtime.context import InContext
from assembler.runtime.encoding import encode
from assembler.runtime.interface import Interface
from assembler.runtime.labeller import LabelledExample, Labeller
from assembler.runtime.language_model_text import LanguageModel
from assembler.runtime.ratings import Rating
from assembler.runtime.sentence import TaggedSentence, TaskTags
from assembler.runtime.spans import Span, decode_classifier_spans, decode_spans
from assembler.runtime.tagger import Tagger
from assembler.runtime.tars import Tars
from assembler.runtime.task_runner import Outcome, TaskRunner
from assembler.runtime.token import Token
from assembler.runtime.tokenization import tokenize
from assembler.runtime.vocabulary import Vocabulary
from assembler.runtime.wanted import Wanted

__all__ = [
    "Alphabet",
    "Classification",
    "ClassifiedSentence",
    "Example",
    "InContext",
    "Interface",
    "Label",
    "LabelledExample",
    "Labeller",
    "LanguageModel",
    "ModelError",
    "NumberTask",
    "Outcome",
    "Rating",
    "SentenceTask",
    "Span",
    "TaggedSentence",
    "Tagger",
    "Tags",
    "Tars",
    "TaskRunner",
    "TaskTags",
    "TextClassifier",
    "Texts",
    "Token",
    "TokenTask",
    "Vocabulary",
    "Wanted",
    "decode_classifier_spans",
    "decode_spans",
    "encode",
    "tokenize",
]
