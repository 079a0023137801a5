"""Assembled models inside flair: flair's own sentences, labels and evaluation, without torch weights.

    from flair.nn import Classifier

    import assembler.flair

    tagger = Classifier.load("ner.onnx")
    tagger.predict(sentence)
    print(sentence.get_spans("ner"))

Once this module is imported, flair's own `load` takes `.onnx` files; `load_hook.py` says how. `OnnxSequenceTagger.load`
and the like load them too. Importing it imports flair and torch; no weights of theirs are loaded.
"""

from __future__ import annotations

from assembler.flair.load_hook import let_flair_load
from assembler.flair.multitask_model import OnnxMultitaskModel
from assembler.flair.prefixed_sequence_tagger import OnnxPrefixedSequenceTagger
from assembler.flair.sequence_tagger import OnnxSequenceTagger
from assembler.flair.tars_tagger import OnnxTARSTagger
from assembler.flair.text_classifier import OnnxTextClassifier
from assembler.flair.token_classifier import OnnxTokenClassifier

__all__ = [
    "OnnxMultitaskModel",
    "OnnxPrefixedSequenceTagger",
    "OnnxSequenceTagger",
    "OnnxTARSTagger",
    "OnnxTextClassifier",
    "OnnxTokenClassifier",
]

let_flair_load()
