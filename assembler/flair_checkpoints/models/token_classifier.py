"""`TokenClassifier`: a linear layer on each token's embeddings, and softmax.

NN is flair 0.15.1's nn/model.py, WT its models/word_tagger_model.py.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.data import Sentence
from flair.models import TokenClassifier

from assembler.flair_checkpoints.declared_sizes import Need, length_of
from assembler.flair_checkpoints.embeddings.embedding_stack import stack_length, stack_needs
from assembler.flair_checkpoints.models.linear_classifier import LinearClassifierReader, decoder_of
from assembler.flair_checkpoints.prediction import batches, tagged
from assembler.flair_checkpoints.torch_layers import array_of, decided, inside_of
from assembler.flair_checkpoints.trust import refuse
from assembler.forms.opened import Tagged
from assembler.weights.heads import TaggerHeadWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array, Arrays
    from assembler.forms.source import Source

#: The type under which labels are written to sentences of no text.
_TYPE = "tried"


class TokenClassifierReader(LinearClassifierReader[TokenClassifier]):
    """Reads `TokenClassifier`."""

    cls = TokenClassifier
    names = ("TokenClassifier", "WordTagger")  # what it was called until 0.12.2 (WT 231)

    def needs(self, state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
        """Yield the weights of the embeddings and of the decoder (NN 590)."""
        yield from stack_needs(stored, "embeddings.")
        labels = ("labels", length_of(state.get("label_dictionary")))
        yield Need("decoder.weight", (labels, ("embedding_length", stack_length(stored))))

    def check(self, source: Source, model: TokenClassifier) -> None:
        """Refuse several labels for a token too."""
        if model.multi_label:
            raise refuse(source, "the classifier of tokens gives several labels to each (multi_label)")
        super().check(source, model)

    def head(self, model: TokenClassifier) -> TaggerHeadWeights:
        """Return the linear layer after the embeddings (NN 793-855)."""
        return TaggerHeadWeights(
            embedding_size=model.embeddings.embedding_length,
            reprojection=None,
            recurrent=None,
            linear=decoder_of(model),
            labels=tuple(model.label_dictionary.get_items()),
            label_type=model.label_type,
            spans=model.span_prediction_problem,
            has_crf=False,
            reference=lambda inputs: _run_head(model, inputs),
            reading="token_classifier",
        )

    def predict(
        self, model: TokenClassifier, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool
    ) -> list[Tagged]:
        """Label tokens as `predict_tokens` below. It makes no long sums."""
        del exact_sums
        return predict_tokens(model, sentences, batch_size)

    def decode(self, model: TokenClassifier, emissions: Array, lengths: Array) -> list[Tagged]:
        """Decide by softmax and its maximum."""
        given, counts = torch.from_numpy(np.array(emissions)), lengths.tolist()
        rows = torch.cat([row[:count] for row, count in zip(given, counts, strict=True)])
        names = model.label_dictionary.get_items()
        scores, classes = (each.tolist() for each in torch.max(torch.softmax(rows, dim=-1), dim=-1))
        pairs = iter(zip((names[number] for number in classes), scores, strict=True))
        return [tagged([next(pairs) for _ in range(count)]) for count in counts]

    def spans(
        self, model: TokenClassifier, labels: Sequence[str], scores: Sequence[float]
    ) -> list[tuple[int, int, str, float]]:
        """Return the spans of its own loop, which writes them to a sentence (WT 124)."""
        if not labels:
            return []
        sentence = Sentence(["x"] * len(labels))
        for token, label, score in zip(sentence, labels, scores, strict=True):
            if label != "O":  # `predict` does not write it
                token.add_label(_TYPE, label, score)
        model._post_process_batch_after_prediction([sentence], _TYPE)  # type: ignore[no-untyped-call]  # noqa: SLF001
        found = ((span, span.get_label(_TYPE)) for span in sentence.get_spans(_TYPE))
        return [(span[0].idx - 1, span[-1].idx, label.value, label.score) for span, label in found]


@torch.no_grad()
def predict_tokens(classifier: TokenClassifier, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Tagged]:
    """Label tokens with the calls that `DefaultClassifier.predict` makes (NN 820-902).

    `predict` itself drops the label `O` and its score, and replaces the labels of tokens by those of spans.
    """
    found = [Tagged((), ()) for _ in sentences]
    labels = classifier.label_dictionary.get_items()
    for chosen, batch in batches(sentences, batch_size):
        tokens = classifier._get_data_points_for_batch(batch)  # noqa: SLF001 - see above
        softmax = torch.softmax(classifier.decoder(classifier._encode_data_points(batch, tokens)), dim=-1)  # noqa: SLF001
        scores, classes = (iter(each.tolist()) for each in torch.max(softmax, dim=-1))
        for index, sentence in zip(chosen, batch, strict=True):
            count = len(sentence)
            own = tuple(labels[number] for number in islice(classes, count))
            found[index] = Tagged(own, tuple(islice(scores, count)))
            sentence.clear_embeddings()
    return found


@torch.no_grad()
def _run_head(classifier: TokenClassifier, inputs: Arrays) -> Arrays:
    tensor = torch.from_numpy(np.array(inputs["embeddings"]))
    tensor = tensor.reshape(len(inputs["lengths"]), -1, classifier.embeddings.embedding_length)
    inside = inside_of(torch.from_numpy(np.array(inputs["lengths"])), tensor.shape[1])
    return {**decided(classifier.decoder(tensor), inside), "embeddings": array_of(torch.where(inside, tensor, 0))}
