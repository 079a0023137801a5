"""Reads the weights of each part from loaded flair models, with the models' own modules as the reference.

Quirks have their line in flair 0.15.1: LM is models/language_model.py, ST models/sequence_tagger_model.py, TK
embeddings/token.py, DA data.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.data import Token
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.interface.language_model_inputs import Characters
from assembler.interface.table_inputs import PieceModel, Words
from assembler.weights.heads import CrfWeights, TaggerHeadWeights
from assembler.weights.language_models import CharLmWeights
from assembler.weights.layers import Linear, Recurrent, RecurrentDirection
from assembler.weights.tables import PieceWeights, TableWeights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flair.data import Dictionary
    from flair.embeddings import WordEmbeddings
    from flair.embeddings.token import BytePairEmbeddings, HashEmbeddings, OneHotEmbeddings
    from flair.models import LanguageModel, SequenceTagger
    from torch import Tensor

    from assembler.core.arrays import Array, Arrays
    from assembler.weights.layers import Cell

_CELLS: dict[type[torch.nn.Module], Cell] = {torch.nn.LSTM: "LSTM", torch.nn.GRU: "GRU", torch.nn.RNN: "RNN"}


def char_lm_weights(
    model: LanguageModel, *, with_whitespace: bool, lowercase: bool, tokenized: bool = True
) -> CharLmWeights:
    """Return the weights of a language model. The decoder is not used for embeddings and left out."""
    return CharLmWeights(
        embedding=array_of(model.encoder.weight),
        recurrent=recurrent_of(model.rnn),
        projection=linear_of(model.proj) if model.proj is not None else None,
        characters=Characters(
            dictionary=_characters(model.dictionary, len(model.encoder.weight)),
            direction="forward" if model.is_forward_lm else "backward",
            # old objects lack the attribute (TK 804)
            start_marker=str(vars(model).get("document_delimiter", "\n")),
            end_marker=" ",  # always (TK 805)
            with_whitespace=with_whitespace,
            lowercase=lowercase,
            padding=_padding(model.dictionary),
            tokenized=tokenized,
        ),
        reference=lambda inputs: _run_language_model(model, inputs),
    )


def _characters(dictionary: Dictionary, rows: int) -> tuple[str, ...]:
    """Return the characters of a dictionary by id.

    flair looks characters up in a decoded copy that it makes once and stores with the model, or else in `item2idx` (DA
    105-125). `idx2item` can disagree with both. Items of more than one code point can never match.
    """
    cached = vars(dictionary).get("item2idx_not_encoded")
    decoded = cached if cached is not None else {k.decode("utf-8"): v for k, v in dictionary.item2idx.items()}
    matching = {item: number for item, number in decoded.items() if len(item) == 1}
    items = list(_by_id(matching, rows, "a character dictionary"))
    for number, item in enumerate(dictionary.idx2item[:rows]):
        text = item.decode("utf-8")
        if not items[number] and len(text) != 1:
            items[number] = text  # such as <unk>: it is never looked up, but a person may want to see it
    return tuple(items)


def _by_id(looked_up: Mapping[str, int], rows: int, what: str) -> tuple[str, ...]:
    """Return the items by id, an empty text where there is none. The item with id 0 is treated like an unknown one.

    Raises:
        SourceError: Two items have one id, or an id has no row (R005), which a list cannot represent.
    """
    items = [""] * rows
    for item, number in looked_up.items():
        if not 0 <= number < rows or (number and items[number]):
            other = f"like '{items[number]}'" if 0 <= number < rows else f"but there are {rows} rows"
            message = f"{what} of the model gives '{item}' the id {number}, {other}"
            raise SourceError(Problem("R005", message, "the dictionary was changed after the model was made"))
        items[number] = items[number] or item
    return tuple(items)


def word_table(embedding: WordEmbeddings) -> TableWeights:
    """Return the table of WordEmbeddings; the last row, after all words, is that of unknown ones (TK 317-328)."""
    words = tuple(sorted(embedding.vocab, key=embedding.vocab.__getitem__))
    rule = Words("word", words, unknown=len(words), method="", rows=len(words) + 1)
    return _table(embedding.embedding, embedding.layer_norm, rule)


def one_hot_table(embedding: OneHotEmbeddings) -> TableWeights:
    """Return the table of OneHotEmbeddings; unknown words have the row of `<unk>`, 0 (DA 84-103)."""
    looked_up = {item.decode("utf-8"): row for item, row in embedding.vocab_dictionary.item2idx.items()}
    words = _by_id(looked_up, len(embedding.embedding_layer.weight), "a vocabulary")
    rule = Words("exact", words, unknown=0, method="", rows=len(words))
    return _table(embedding.embedding_layer, embedding.layer_norm, rule)


def hash_table(embedding: HashEmbeddings) -> TableWeights:
    """Return the table of HashEmbeddings (TK 1243-1246)."""
    method = str(vars(embedding)["_HashEmbeddings__hash_method"])
    rule = Words("hash", (), unknown=0, method=method, rows=embedding.num_embeddings)
    return _table(embedding.embedding_layer, None, rule)


def piece_table(embedding: BytePairEmbeddings) -> PieceWeights:
    """Return the table of BytePairEmbeddings; the row after those of all pieces is that of a blank token (TK 1469)."""
    layer = embedding.embedding

    @torch.no_grad()
    def run(inputs: Arrays) -> Arrays:
        rows = layer(torch.from_numpy(np.array(inputs["pieces"])))
        return {"rows": array_of(rows.reshape(-1, embedding.embedding_length))}

    model = PieceModel(embedding.spm.serialized_model_proto(), embedding.do_preproc, embedding.spm.vocab_size())
    return PieceWeights(array_of(layer.weight), model, run)


@torch.no_grad()
def _table(layer: torch.nn.Embedding, norm: torch.nn.LayerNorm | None, words: Words) -> TableWeights:
    """Return a table with normalised rows. Each row is normalised by itself, so the result is the same as flair's."""

    @torch.no_grad()
    def run(inputs: Arrays) -> Arrays:
        rows = layer(torch.from_numpy(np.array(inputs["words"])))
        return {"rows": array_of(rows if norm is None else norm(rows))}

    return TableWeights(array_of(layer.weight if norm is None else norm(layer.weight)), words, run)


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


def _padding(dictionary: Dictionary) -> int:
    """Return the id of a space (LM 134), or 0 if the dictionary lacks it, whatever 0 means there."""
    return int(dictionary.item2idx.get(b" ", 0))


def array_of(tensor: torch.Tensor) -> Array:
    """Return a view on a tensor."""
    array: Array = tensor.detach().numpy()
    return array


def linear_of(layer: torch.nn.Linear) -> Linear:
    """Return a linear layer with its bias."""
    return Linear(array_of(layer.weight), array_of(layer.bias))


def recurrent_of(module: torch.nn.RNNBase) -> Recurrent:
    """Return recurrent layers."""
    suffixes = ("", "_reverse") if module.bidirectional else ("",)
    return Recurrent(
        cell=_CELLS[type(module)],
        hidden_size=module.hidden_size,
        layers=tuple(
            tuple(
                RecurrentDirection(
                    *(
                        array_of(getattr(module, f"{name}_l{layer}{suffix}"))
                        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                    )
                )
                for suffix in suffixes
            )
            for layer in range(module.num_layers)
        ),
    )


@torch.no_grad()
def _run_language_model(model: LanguageModel, inputs: Arrays) -> Arrays:
    """Run the loaded modules. States after a text's own length are zeros, as those of ONNX's LSTM."""
    characters = torch.from_numpy(np.array(inputs["characters"]))
    lengths = torch.from_numpy(np.array(inputs["lengths"]))
    packed = pack_padded_sequence(model.encoder(characters), lengths, enforce_sorted=False)
    output, _ = model.rnn(packed)
    states, _ = pad_packed_sequence(output, total_length=characters.shape[0])
    if model.proj is not None:
        states = model.proj(states)
    return {"states": array_of(states)}


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


def inside_of(lengths: Tensor, tokens: int) -> Tensor:
    """Return where there is a token, bool [sentences, tokens, 1]."""
    return (torch.arange(tokens) < lengths[:, None])[..., None]


def decided(emissions: Tensor, inside: Tensor) -> Arrays:
    """Return what softmax and its maximum make of emissions [sentences, tokens, labels]."""
    probabilities = torch.softmax(emissions, dim=-1)
    scores, prediction = torch.max(probabilities, dim=-1)
    return {
        "scores": array_of(scores),
        "prediction": array_of(prediction),
        "emissions": array_of(emissions),
        "class_probabilities": array_of(torch.where(inside, probabilities, 0)),
    }


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
