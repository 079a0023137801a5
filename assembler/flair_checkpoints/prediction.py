"""flair's own labels and scores for sentences, with which the proof compares.

ST is flair 0.15.1's models/sequence_tagger_model.py, NN its nn/model.py, VB its
models/sequence_tagger_utils/viterbi.py.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch
from flair.data import Sentence

from assembler.forms.opened import Classified, Tagged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flair.embeddings import TokenEmbeddings
    from flair.models import SequenceTagger, TextClassifier, TokenClassifier
    from torch import Tensor

    from assembler.core.arrays import Array


@torch.no_grad()
def predict(
    tagger: SequenceTagger, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool = False
) -> list[Tagged]:
    """Tag sentences with the calls that `SequenceTagger.predict` makes (ST 505-541).

    `predict` itself drops the label `O` and its score, so its steps are called one by one, in its order: longest
    sentences first, in batches. A test compares the result with `predict` on a whole corpus.

    Args:
        tagger: The loaded tagger.
        sentences: The sentences.
        batch_size: How many of them run at once.
        exact_sums: Whether a CRF adds in float64 instead of float32. Its weights are unchanged.
    """
    tagged = [Tagged((), ()) for _ in sentences]
    for chosen, batch in _batches(sentences, batch_size):
        features = tagger.forward(*tagger._prepare_tensors(batch))  # noqa: SLF001 - see above
        if tagger.use_crf:
            decoder = tagger.viterbi_decoder
            steps = _in_float64(*features) if exact_sums else features
            predictions, _ = decoder.decode(steps, probabilities_for_all_classes=False, sentences=batch)
        else:
            predictions, _ = tagger._standard_inference(features, batch, probabilities_for_all_classes=False)  # noqa: SLF001
        for index, prediction in zip(chosen, predictions, strict=True):
            tagged[index] = Tagged(tuple(label for label, _ in prediction), tuple(score for _, score in prediction))
        for sentence in batch:
            sentence.clear_embeddings()
    return tagged


def _in_float64(steps: Tensor, lengths: Tensor, transitions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return float64 copies of the tensors that flair's decoder adds: its sums have the dtype of the steps (VB 156)."""
    return steps.double(), lengths, transitions.double()


@torch.no_grad()
def predict_tokens(classifier: TokenClassifier, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Tagged]:
    """Label tokens with the calls that `DefaultClassifier.predict` makes (NN 820-902).

    `predict` itself drops the label `O` and its score, and replaces the labels of tokens by those of spans.
    """
    tagged = [Tagged((), ()) for _ in sentences]
    labels = classifier.label_dictionary.get_items()
    for chosen, batch in _batches(sentences, batch_size):
        tokens = classifier._get_data_points_for_batch(batch)  # noqa: SLF001 - see above
        softmax = torch.softmax(classifier.decoder(classifier._encode_data_points(batch, tokens)), dim=-1)  # noqa: SLF001
        scores, classes = (iter(each.tolist()) for each in torch.max(softmax, dim=-1))
        for index, sentence in zip(chosen, batch, strict=True):
            count = len(sentence)
            own = tuple(labels[number] for number in islice(classes, count))
            tagged[index] = Tagged(own, tuple(islice(scores, count)))
            sentence.clear_embeddings()
    return tagged


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


def _batches(sentences: Sequence[Sequence[str]], batch_size: int) -> Iterator[tuple[list[int], list[Sentence]]]:
    """Yield the numbers of the sentences of each batch, longest first, and the sentences. Empty ones are left out."""
    whole = [Sentence(list(tokens)) for tokens in sentences]
    Sentence.set_context_for_sentences(whole)  # as `predict` does (ST 487, NN 803): some encoders read the neighbours
    order = sorted((i for i in range(len(whole)) if len(whole[i])), key=lambda i: len(whole[i]), reverse=True)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield chosen, [whole[index] for index in chosen]


@torch.no_grad()
def embed(embeddings: Sequence[TokenEmbeddings], sentences: Sequence[Sequence[str]]) -> Array:
    """Return the vectors that a model's token embeddings compute: float32 [sentences, tokens, features]."""
    batch = [Sentence(list(tokens)) for tokens in sentences]
    for embedding in embeddings:
        embedding.embed(batch)
    names = sorted(embedding.name for embedding in embeddings)
    rows = [torch.stack([token.get_embedding(names) for token in sentence]) for sentence in batch]
    result: Array = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).numpy()
    return result
