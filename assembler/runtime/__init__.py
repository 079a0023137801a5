"""What runs an assembled tagger, from its model file alone: numpy and ONNX Runtime, nothing else.

    from assembler.runtime import Tagger

    tagger = Tagger("de-pos.onnx")
    for sentence in tagger.tag([["Berlin", "ist", "groß", "."]]):
        print(sentence.labels)

Importing this package imports numpy; ONNX Runtime follows when the first `Tagger` is made.
"""

from __future__ import annotations

from assembler.errors import ModelError
from assembler.runtime.alphabet import Alphabet
from assembler.runtime.context import InContext
from assembler.runtime.encoding import encode
from assembler.runtime.interface import Interface, LanguageModel, Tags
from assembler.runtime.sentence import TaggedSentence
from assembler.runtime.spans import Span, decode_spans
from assembler.runtime.tagger import Tagger
from assembler.runtime.token import Token
from assembler.runtime.vocabulary import Vocabulary

__all__ = [
    "Alphabet",
    "InContext",
    "Interface",
    "LanguageModel",
    "ModelError",
    "Span",
    "TaggedSentence",
    "Tagger",
    "Tags",
    "Token",
    "Vocabulary",
    "decode_spans",
    "encode",
]
