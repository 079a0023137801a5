"""`SequenceTagger`: a head with or without recurrent layers and a CRF.

ST is flair 0.15.1's models/sequence_tagger_model.py, VB models/sequence_tagger_utils/viterbi.py, DA data.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from flair.data import Token, get_spans_from_bio
from flair.models import SequenceTagger
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from assembler.flair_checkpoints.declared_sizes import Need, declared, is_on, length_of, recurrent_needs
from assembler.flair_checkpoints.embeddings.embedding_stack import stack_length, stack_needs
from assembler.flair_checkpoints.models.model_reader import ModelReader
from assembler.flair_checkpoints.prediction import batches, tagged
from assembler.flair_checkpoints.stored_values import (
    COUNT,
    DICTIONARY,
    FLAG,
    LABEL_WEIGHTS,
    SHARE,
    SWITCH,
    TEXT,
)
from assembler.flair_checkpoints.torch_layers import array_of, decided, inside_of, linear_of, recurrent_of
from assembler.flair_checkpoints.trust import refuse
from assembler.forms.opened import Tagged
from assembler.weights.heads import CrfWeights, TaggerHeadWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from assembler.core.arrays import Array, Arrays
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.protocol import Weights


class SequenceTaggerReader(ModelReader[SequenceTagger]):
    """Reads `SequenceTagger`."""

    cls = SequenceTagger
    names = ("SequenceTagger",)
    called = "the tagger"
    keys: ClassVar[Keys] = {  # ST 617-639
        "tag_dictionary": DICTIONARY, "tag_format": TEXT, "tag_type": TEXT, "use_crf": FLAG, "use_rnn": FLAG,
        "rnn_layers": COUNT, "hidden_size": COUNT, "use_dropout": SHARE, "use_word_dropout": SHARE,
        "use_locked_dropout": SHARE, "rnn_type": TEXT, "reproject_embeddings": SWITCH, "weight_dict": LABEL_WEIGHTS,
        "train_initial_hidden_state": FLAG,
    }  # fmt: skip

    def check_stored(self, source: Source, state: Mapping[str, Any]) -> None:
        """Refuse recurrent layers of an unknown type, and embeddings that flair must not make."""
        layers = state.get("rnn_type", "LSTM")
        if type(layers) is not str or layers not in {"LSTM", "GRU", "RNN"}:
            got = f"{layers!a:.60}" if type(layers) is str else f"a {type(layers).__name__}"
            raise refuse(source, f"the tagger has recurrent layers of the unknown type {got}")
        super().check_stored(source, state)

    def needs(self, state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
        """Yield the weights that `SequenceTagger` makes (sequence_tagger_model.py 96-182)."""
        yield from stack_needs(stored, "embeddings.")
        features = ("embedding_length", stack_length(stored))
        labels = ("labels", length_of(state.get("tag_dictionary")))
        if is_on(state.get("reproject_embeddings", True)):
            yield Need("embedding2nn.weight", (features, features))
        output: tuple[tuple[str, object], ...] = (features,)
        if is_on(state.get("use_rnn")):
            output = (("directions", 2), declared(state, "hidden_size"))
            yield from recurrent_needs("rnn", declared(state, "rnn_layers"), (features,), output)
        yield Need("linear.weight", (labels, *output))
        if is_on(state.get("use_crf")):
            old = "transitions" in state["state_dict"]  # the name until 0.11, which flair changes when it loads
            yield Need("transitions" if old else "crf.transitions", (labels, labels))

    def head(self, model: SequenceTagger) -> TaggerHeadWeights:
        """Return the head: reprojection, recurrent layers and the linear layer, each where there is one."""
        return head_weights(model)

    def parts(self, model: SequenceTagger) -> dict[str, Callable[[], Weights]]:
        """Return the head, and the CRF if there is one."""
        parts = super().parts(model)
        if model.use_crf:
            parts["crf"] = lambda: crf_weights(model)
        return parts

    def predict(
        self, model: SequenceTagger, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool
    ) -> list[Tagged]:
        """Tag sentences as `predict` below."""
        return predict(model, sentences, batch_size, exact_sums=exact_sums)

    def decode(self, model: SequenceTagger, emissions: Array, lengths: Array) -> list[Tagged]:
        """Decide by the CRF, or by softmax and its maximum."""
        return _decode(model, emissions, lengths)

    def spans(
        self, model: SequenceTagger, labels: Sequence[str], scores: Sequence[float]
    ) -> list[tuple[int, int, str, float]]:
        """Return the spans of `get_spans_from_bio` (ST 540, DA 2056)."""
        del model
        spans = get_spans_from_bio(list(labels), list(scores))
        return [(places[0], places[-1] + 1, label, score) for places, score, label in spans]


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
    found = [Tagged((), ()) for _ in sentences]
    for chosen, batch in batches(sentences, batch_size):
        features = tagger.forward(*tagger._prepare_tensors(batch))  # noqa: SLF001 - see above
        if tagger.use_crf:
            decoder = tagger.viterbi_decoder
            steps = _in_float64(*features) if exact_sums else features
            predictions, _ = decoder.decode(steps, probabilities_for_all_classes=False, sentences=batch)
        else:
            predictions, _ = tagger._standard_inference(features, batch, probabilities_for_all_classes=False)  # noqa: SLF001
        for index, prediction in zip(chosen, predictions, strict=True):
            found[index] = tagged(prediction)
        for sentence in batch:
            sentence.clear_embeddings()
    return found


def _in_float64(steps: Tensor, lengths: Tensor, transitions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return float64 copies of the tensors that flair's decoder adds: its sums have the dtype of the steps (VB 156)."""
    return steps.double(), lengths, transitions.double()


@torch.no_grad()
def _decode(tagger: SequenceTagger, emissions: Array, lengths: Array) -> list[Tagged]:
    given, counts = (torch.from_numpy(np.array(array)) for array in (emissions, lengths))
    if tagger.use_crf:
        return _by_crf(tagger, given, counts)
    rows = torch.cat([row[:count] for row, count in zip(given, counts.tolist(), strict=True)])
    sentences: list[Any] = [range(count) for count in counts.tolist()]  # of a sentence it reads its length alone
    found, _ = tagger._standard_inference(rows, sentences, probabilities_for_all_classes=False)  # noqa: SLF001 - its decoder
    return [tagged(each) for each in found]


def _by_crf(tagger: SequenceTagger, emissions: torch.Tensor, lengths: torch.Tensor) -> list[Tagged]:
    """Run flair's decoder, which wants the longest sentence first (VB 111)."""
    order = torch.argsort(lengths, descending=True, stable=True)
    features = (tagger.crf(emissions[order]), lengths[order], tagger.crf.transitions)
    decoded, _ = tagger.viterbi_decoder.decode(features, probabilities_for_all_classes=False, sentences=[])
    found = dict(zip(order.tolist(), map(tagged, decoded), strict=True))
    return [found[place] for place in range(len(found))]


def head_weights(tagger: SequenceTagger) -> TaggerHeadWeights:
    """Return the weights of a tagger after its embeddings.

    Since 0.11 flair loads trained initial states but never uses them (ST 328-331), so zeros are correct.
    """
    return TaggerHeadWeights(
        embedding_size=tagger.embeddings.embedding_length,
        reprojection=linear_of(tagger.embedding2nn) if tagger.reproject_embeddings else None,
        recurrent=recurrent_of(tagger.rnn) if tagger.use_rnn else None,
        linear=linear_of(tagger.linear),
        labels=tuple(tagger.label_dictionary.get_items()),
        label_type=tagger.label_type,
        spans=tagger.predict_spans,
        has_crf=bool(tagger.use_crf),
        reference=lambda inputs: _run_head(tagger, inputs),
    )


def crf_weights(tagger: SequenceTagger) -> CrfWeights:
    """Return the weights of a tagger's CRF."""
    return CrfWeights(
        transitions=array_of(tagger.crf.transitions),
        start=tagger.viterbi_decoder.start_tag,
        stop=tagger.viterbi_decoder.stop_tag,
        reference=lambda inputs: _run_crf(tagger, inputs),
    )


@torch.no_grad()
def _run_head(tagger: SequenceTagger, inputs: Arrays) -> Arrays:
    """Run the loaded modules as ST 306-347 and 572-576 do. Tokens after a sentence's length get the states of zeros."""
    lengths = torch.from_numpy(np.array(inputs["lengths"]))
    tensor = torch.from_numpy(np.array(inputs["embeddings"]))
    tensor = tensor.reshape(len(lengths), -1, tagger.embeddings.embedding_length)
    inside = inside_of(lengths, tensor.shape[1])
    embeddings = {"embeddings": array_of(torch.where(inside, tensor, 0))}
    if tagger.reproject_embeddings:
        tensor = tagger.embedding2nn(tensor)
    if tagger.use_rnn:
        tokens = tensor.shape[1]
        packed = pack_padded_sequence(tensor, lengths, batch_first=True, enforce_sorted=False)
        output, _ = tagger.rnn(packed)
        tensor, _ = pad_packed_sequence(output, batch_first=True, total_length=tokens)
    emissions = tagger.linear(tensor)
    if tagger.use_crf:
        return {"emissions": array_of(emissions), **embeddings}
    return {**decided(emissions, inside), **embeddings}


@torch.no_grad()
def _run_crf(tagger: SequenceTagger, inputs: Arrays) -> Arrays:
    """Run flair's own decoder, which needs the longest sentence first. Tokens after a sentence's length are 0."""
    lengths = torch.from_numpy(np.array(inputs["lengths"]))
    emissions = torch.from_numpy(np.array(inputs["emissions"]))
    order = torch.argsort(lengths, descending=True, stable=True)
    features = (tagger.crf(emissions[order]), lengths[order], tagger.crf.transitions)
    own: list[Any] = [[Token("x")] * length for length in features[1].tolist()]  # of a sentence it reads the tokens
    decoded, of_classes = tagger.viterbi_decoder.decode(features, probabilities_for_all_classes=True, sentences=own)
    probabilities = np.zeros(emissions.shape, np.float32)
    scores = np.zeros(emissions.shape[:2], np.float32)
    prediction = np.zeros(emissions.shape[:2], np.int64)
    for row, tags in zip(order.tolist(), decoded, strict=True):
        for token, (label, score) in enumerate(tags):
            prediction[row, token] = tagger.label_dictionary.get_idx_for_item(label)
            scores[row, token] = score
    for row, tokens in zip(order.tolist(), of_classes, strict=True):
        probabilities[row, : len(tokens)] = [[label.score for label in labels] for labels in tokens]
    return {"scores": scores, "prediction": prediction, "class_probabilities": probabilities}
