"""flair's own decisions on given emissions, and the spans it reads from given labels: what rules are tried against.

VB is flair 0.15.1's models/sequence_tagger_utils/viterbi.py, ST models/sequence_tagger_model.py, WT
models/word_tagger_model.py, DA data.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.data import Sentence, get_spans_from_bio
from flair.models import SequenceTagger

from assembler.forms.opened import Tagged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flair.models import TokenClassifier

    from assembler.core.arrays import Array

#: The type under which labels are written to sentences of no text.
_TYPE = "tried"


@torch.no_grad()
def decode(labeller: SequenceTagger | TokenClassifier, emissions: Array, lengths: Array) -> list[Tagged]:
    """Return the labels and scores that a model decides on: by its CRF, or by softmax and its maximum.

    Args:
        labeller: The loaded model.
        emissions: float32 [sentences, tokens, labels].
        lengths: int64 [sentences], each at least 1.
    """
    given, counts = (torch.from_numpy(np.array(array)) for array in (emissions, lengths))
    if isinstance(labeller, SequenceTagger) and labeller.use_crf:
        return _by_crf(labeller, given, counts)
    rows = torch.cat([row[:count] for row, count in zip(given, counts.tolist(), strict=True)])
    sentences: list[Any] = [range(count) for count in counts.tolist()]  # of a sentence it reads its length alone
    if isinstance(labeller, SequenceTagger):
        found, _ = labeller._standard_inference(rows, sentences, probabilities_for_all_classes=False)  # noqa: SLF001 - its decoder
        return [_tagged(each) for each in found]
    names = labeller.label_dictionary.get_items()
    scores, classes = (each.tolist() for each in torch.max(torch.softmax(rows, dim=-1), dim=-1))
    pairs = iter(zip((names[number] for number in classes), scores, strict=True))
    return [_tagged([next(pairs) for _ in sentence]) for sentence in sentences]


def _by_crf(tagger: SequenceTagger, emissions: torch.Tensor, lengths: torch.Tensor) -> list[Tagged]:
    """Run flair's decoder, which wants the longest sentence first (VB 111)."""
    order = torch.argsort(lengths, descending=True, stable=True)
    features = (tagger.crf(emissions[order]), lengths[order], tagger.crf.transitions)
    decoded, _ = tagger.viterbi_decoder.decode(features, probabilities_for_all_classes=False, sentences=[])
    found = dict(zip(order.tolist(), map(_tagged, decoded), strict=True))
    return [found[place] for place in range(len(found))]


def _tagged(pairs: Sequence[tuple[str, float]]) -> Tagged:
    return Tagged(tuple(label for label, _ in pairs), tuple(score for _, score in pairs))


def read_spans(
    labeller: SequenceTagger | TokenClassifier, labels: Sequence[str], scores: Sequence[float]
) -> list[tuple[int, int, str, float]]:
    """Return the spans that a model reads from labels: first token, the one after its last, label and score.

    A SequenceTagger asks `get_spans_from_bio` (ST 540, DA 2056); a TokenClassifier has its own loop, which writes
    spans to a sentence (WT 124).
    """
    if isinstance(labeller, SequenceTagger):
        spans = get_spans_from_bio(list(labels), list(scores))
        return [(places[0], places[-1] + 1, label, score) for places, score, label in spans]
    if not labels:
        return []
    sentence = Sentence(["x"] * len(labels))
    for token, label, score in zip(sentence, labels, scores, strict=True):
        if label != "O":  # `predict` does not write it
            token.add_label(_TYPE, label, score)
    labeller._post_process_batch_after_prediction([sentence], _TYPE)  # type: ignore[no-untyped-call]  # noqa: SLF001
    found = ((span, span.get_label(_TYPE)) for span in sentence.get_spans(_TYPE))
    return [(span[0].idx - 1, span[-1].idx, label.value, label.score) for span, label in found]
