"""flair's own labels and scores for sentences: what the proof compares with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from flair.data import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flair.models import SequenceTagger

    from assembler.sources.weights import Array


@dataclass(frozen=True, slots=True)
class Tagged:
    """What flair says of one sentence.

    Attributes:
        labels: A label per token, `O` included.
        scores: Its score, per token.
    """

    labels: tuple[str, ...]
    scores: tuple[float, ...]


@torch.no_grad()
def predict(tagger: SequenceTagger, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Tagged]:
    """Tag sentences with the calls that `SequenceTagger.predict` makes (ST 505-541).

    `predict` itself drops the label `O` and its score, so its steps are taken one by one, in its order: longest
    sentences first, in batches. A test compares the result with `predict` on a whole corpus.
    """
    tagged = [Tagged((), ()) for _ in sentences]
    whole = [Sentence(list(tokens)) for tokens in sentences]
    Sentence.set_context_for_sentences(whole)
    order = sorted((i for i in range(len(whole)) if len(whole[i])), key=lambda i: len(whole[i]), reverse=True)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = [whole[index] for index in chosen]
        features = tagger.forward(*tagger._prepare_tensors(batch))  # noqa: SLF001 - see above
        if tagger.use_crf:
            decoder = tagger.viterbi_decoder
            predictions, _ = decoder.decode(features, probabilities_for_all_classes=False, sentences=batch)
        else:
            predictions, _ = tagger._standard_inference(features, batch, probabilities_for_all_classes=False)  # noqa: SLF001
        for index, prediction in zip(chosen, predictions, strict=True):
            tagged[index] = Tagged(tuple(label for label, _ in prediction), tuple(score for _, score in prediction))
        for sentence in batch:
            sentence.clear_embeddings()
    return tagged


@torch.no_grad()
def embed(tagger: SequenceTagger, sentences: Sequence[Sequence[str]]) -> Array:
    """Return what the tagger's embeddings give for sentences: float32 [sentences, tokens, features]."""
    batch = [Sentence(list(tokens)) for tokens in sentences]
    tensor, _ = tagger._prepare_tensors(batch)  # noqa: SLF001 - flair has no public way to get the padded tensor
    for sentence in batch:
        sentence.clear_embeddings()
    result: Array = tensor.numpy()
    return result
