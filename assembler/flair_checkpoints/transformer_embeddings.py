"""Reads flair's transformer embeddings, of words and of documents: which can be assembled, and their weights.

TF is flair 0.15.1's embeddings/transformer.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.embeddings import DocumentEmbeddings
from flair.embeddings.transformer import (
    SENTENCE_BOUNDARY_TAG,
    document_cls_pooling,
    document_max_pooling,
    document_mean_pooling,
)

from assembler.flair_checkpoints.encoders.exported import exported_encoder, exported_refused, is_steady, places_of
from assembler.flair_checkpoints.stored_encoder import ARCHITECTURES
from assembler.interface.encoder_inputs import Subtokens
from assembler.weights.documents import SubtokenDocumentWeights
from assembler.weights.encoders import Activation, EncoderLayer, EncoderWeights, Normalisation
from assembler.weights.layers import Linear

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flair.embeddings.transformer import TransformerEmbeddings

    from assembler.core.arrays import Array, Arrays
    from assembler.weights.encoders import Encoder

#: The architectures that count positions from the padding id on.
_PADDED = ("roberta", "xlm-roberta", "camembert")
_ACTIVATIONS: Mapping[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


def encoder_refused(embedding: TransformerEmbeddings) -> Iterator[str]:
    """Yield the reasons why loaded embeddings have options that cannot be assembled."""
    yield from _tokenizer_refused(embedding)
    if embedding.feature_extractor is not None or embedding.tokenizer_needs_ocr_boxes or embedding.use_lang_emb:
        yield "reads images, boxes or languages beside the text"
        return
    yield from _model_refused(embedding)
    if isinstance(embedding, DocumentEmbeddings):
        yield from _documents_refused(embedding)
    elif embedding.tokenizer.padding_side != "right":
        yield from _left_refused(embedding)


def _documents_refused(embedding: TransformerEmbeddings) -> Iterator[str]:
    if embedding.allow_long_sentences:
        yield "splits overlong texts (allow_long_sentences), whose pieces flair takes for texts (TF 1427-1428)"
    if embedding.tokenizer.padding_side != "right":
        yield "has a tokeniser that pads at the left, where flair looks for the first subtoken of a text"


def _left_refused(embedding: TransformerEmbeddings) -> Iterator[str]:
    if embedding.allow_long_sentences:
        yield "has a tokeniser that pads at the left, after which flair puts the pieces of overlong sentences together"
    elif not is_steady(embedding, "left"):
        yield "has a tokeniser that pads at the left, which moves its positions with the other sentences of a batch"


def _model_refused(embedding: TransformerEmbeddings) -> Iterator[str]:
    config = embedding.model.config
    if config.model_type not in ARCHITECTURES:
        yield from exported_refused(embedding)
        return
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        yield f"has positions of the sort '{config.position_embedding_type}'"
    if getattr(config, "is_decoder", False):
        yield "is a decoder"
    if _activation(config) not in _ACTIVATIONS:
        yield f"has the activation '{_activation(config)}'"
    depth = config.num_hidden_layers + 1  # the embeddings come first
    if not all(-depth <= number < depth for number in embedding.layer_indexes):
        yield f"gives the layers {embedding.layer_indexes}, of which it has {depth}"
    if any(parameter.dtype != torch.float32 for parameter in embedding.model.parameters()):
        yield "has weights of another type than float32"


def _tokenizer_refused(embedding: TransformerEmbeddings) -> Iterator[str]:
    tokenizer = embedding.tokenizer
    if not tokenizer.is_fast:
        yield "has a tokeniser that the library 'tokenizers' does not have"
        return
    limit, special = tokenizer.model_max_length, tokenizer.num_special_tokens_to_add()
    if tokenizer.pad_token_id is None:
        yield "has a tokeniser without a token for padding"
    if embedding.truncate and not (isinstance(limit, int) and limit > special + embedding.stride):
        yield f"has a tokeniser for {limit} subtokens, which leaves no room for a text"
    if "attention_mask" not in tokenizer.model_input_names:
        yield "has a tokeniser without a mask, so that what it gives depends on the other sentences of a batch"
    if getattr(tokenizer, "split_special_tokens", False):
        yield "has a tokeniser that splits special tokens, which its JSON does not say"
    if tokenizer.truncation_side != "right":
        yield "has a tokeniser that cuts overlong texts at the left"


def _activation(config: Any) -> str:  # noqa: ANN401 - transformers has no types
    return str(config.activation if config.model_type == "distilbert" else config.hidden_act)


def encoder_weights(embedding: TransformerEmbeddings) -> Encoder:
    """Return the weights of a transformer encoder, and how a host makes its input."""
    subtokens, documents = _subtokens(embedding), _documents(embedding)
    if embedding.model.config.model_type in ARCHITECTURES:
        return _own_encoder(embedding, subtokens, documents)
    return exported_encoder(embedding, subtokens, documents, lambda inputs: _run(embedding, inputs))


def _own_encoder(
    embedding: TransformerEmbeddings, subtokens: Subtokens, documents: SubtokenDocumentWeights | None
) -> EncoderWeights:
    """Return an encoder whose operators are ours."""
    model, config = embedding.model, embedding.model.config
    table = model.embeddings
    count = config.num_hidden_layers + 1  # the embeddings come first
    chosen = tuple(number % count for number in embedding.layer_indexes)
    read = _distilbert_layer if config.model_type == "distilbert" else _bert_layer
    blocks = model.transformer.layer if config.model_type == "distilbert" else model.encoder.layer
    projection = getattr(model, "embeddings_project", None)
    padded = config.model_type in _PADDED
    return EncoderWeights(
        words=_array(table.word_embeddings.weight),
        positions=_positions(table),
        embedding_norm=_norm(table.LayerNorm),
        projection=None if projection is None else _linear(projection),
        layers=tuple(read(blocks[number]) for number in range(max(chosen))),
        heads=config.num_attention_heads,
        activation=_ACTIVATIONS[_activation(config)],
        padded_from=table.padding_idx if padded else None,
        chosen=chosen,
        mean=embedding.layer_mean,
        pooling=embedding.subtoken_pooling,
        documents=documents,
        subtokens=subtokens,
        reference=lambda inputs: _run(embedding, inputs),
    )


def has_positions_for(embedding: TransformerEmbeddings, sentence: Sequence[str]) -> bool:
    """Return whether an encoder can read a sentence with neighbours of one subtoken a token.

    It can if it cuts or splits overlong sentences; otherwise flair fails in the encoder.
    """
    if embedding.truncate:
        return True
    subtokens = len(embedding.tokenizer(list(sentence), is_split_into_words=True)["input_ids"])
    places = _places(embedding)
    return not places or subtokens + 2 * int(embedding.context_length) <= places


def holds_subtokens(embedding: TransformerEmbeddings, sentence: Sequence[str]) -> bool:
    """Return whether an encoder reads any subtoken of a sentence but that for padding."""
    read = embedding.tokenizer(list(sentence), is_split_into_words=True)["input_ids"]
    return any(number != embedding.tokenizer.pad_token_id for number in read)


def _places(embedding: TransformerEmbeddings) -> int:
    """Return how many subtokens an encoder has positions for; 0 for no limit."""
    places: int = places_of(embedding.model)
    return places


def _documents(embedding: TransformerEmbeddings) -> SubtokenDocumentWeights | None:
    """Return how the states of subtokens become a document (TF 1444-1457), or `None` for embeddings of words."""
    if not isinstance(embedding, DocumentEmbeddings):
        return None
    of_cls = "first" if embedding.initial_cls_token else "last"
    pooling = {"cls": of_cls, "mean": "mean", "max": "max"}[embedding.cls_pooling]
    padding = int(embedding.tokenizer.pad_token_id)
    return SubtokenDocumentWeights(pooling, padding, lambda inputs: _pool(pooling, padding, inputs))  # type: ignore[arg-type]


@torch.no_grad()
def _pool(pooling: str, padding: int, inputs: Arrays) -> Arrays:
    """Run flair's own pooling on `states` and `subtokens`."""
    states, subtokens = (torch.from_numpy(np.array(inputs[name])) for name in ("states", "subtokens"))
    lengths = (subtokens != padding).sum(dim=1)  # TF 581, 585
    if pooling == "first":
        return {"documents": _array(states[:, 0])}
    pool = {"last": document_cls_pooling, "mean": document_mean_pooling, "max": document_max_pooling}[pooling]
    return {"documents": _array(pool(states, lengths))}


def _subtokens(embedding: TransformerEmbeddings) -> Subtokens:
    tokenizer = embedding.tokenizer
    return Subtokens(
        tokenizer=_tokenizer_json(tokenizer),
        padding=int(tokenizer.pad_token_id),
        most=int(tokenizer.model_max_length) if embedding.truncate else 0,  # TF 1164-1170
        stride=int(embedding.stride) if embedding.allow_long_sentences else 0,
        context=int(embedding.context_length),
        separator=SENTENCE_BOUNDARY_TAG if embedding.use_context_separator and embedding.context_length > 0 else None,
        documents=bool(embedding.respect_document_boundaries),
        positions=_places(embedding),
    )


def _tokenizer_json(tokenizer: Any) -> str:  # noqa: ANN401 - transformers has no types
    """Return the tokeniser as JSON, without the settings that transformers sets anew with each call."""
    record = json.loads(tokenizer.backend_tokenizer.to_str())
    record["truncation"], record["padding"] = None, None
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


@torch.no_grad()
def _run(embedding: TransformerEmbeddings, inputs: Arrays) -> Arrays:
    """Process the encoder's states as the embeddings do before they pool them (TF 1413-1425)."""
    subtokens, mask = (torch.from_numpy(np.array(inputs[name])) for name in ("subtokens", "mask"))
    hidden = torch.stack(embedding.model(subtokens, attention_mask=mask)[-1])[embedding.layer_indexes, :, :]
    if embedding.layer_mean:
        return {"states": hidden.mean(dim=0).numpy()}
    return {"states": np.ascontiguousarray(torch.flatten(hidden.permute((0, 3, 1, 2)), 0, 1).permute((1, 2, 0)))}


@torch.no_grad()
def _positions(table: Any) -> Array:  # noqa: ANN401 - transformers has no types
    """Return the vectors of the positions, with that of token type 0 added, because flair never uses another."""
    positions = table.position_embeddings.weight
    types = getattr(table, "token_type_embeddings", None)
    return _array(positions if types is None else positions + types.weight[0])


def _bert_layer(layer: Any) -> EncoderLayer:  # noqa: ANN401 - transformers has no types
    attention = layer.attention.self
    return EncoderLayer(
        query=_linear(attention.query),
        key=_linear(attention.key),
        value=_linear(attention.value),
        attended=_linear(layer.attention.output.dense),
        attention_norm=_norm(layer.attention.output.LayerNorm),
        inner=_linear(layer.intermediate.dense),
        outer=_linear(layer.output.dense),
        output_norm=_norm(layer.output.LayerNorm),
    )


def _distilbert_layer(layer: Any) -> EncoderLayer:  # noqa: ANN401 - transformers has no types
    return EncoderLayer(
        query=_linear(layer.attention.q_lin),
        key=_linear(layer.attention.k_lin),
        value=_linear(layer.attention.v_lin),
        attended=_linear(layer.attention.out_lin),
        attention_norm=_norm(layer.sa_layer_norm),
        inner=_linear(layer.ffn.lin1),
        outer=_linear(layer.ffn.lin2),
        output_norm=_norm(layer.output_layer_norm),
    )


def _norm(layer: torch.nn.LayerNorm) -> Normalisation:
    return Normalisation(_array(layer.weight), _array(layer.bias), float(layer.eps))


def _linear(layer: torch.nn.Linear) -> Linear:
    return Linear(_array(layer.weight), _array(layer.bias))


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().float().numpy()
    return array
