"""Compares the sizes that a flair checkpoint declares with the weights that it holds.

flair makes every layer at the size that the checkpoint declares, and only then compares it with the weights: 3 kB could
ask for gigabytes. So the declared sizes are compared first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assembler.parts.kind import LARGEST_SIZE
from assembler.sources.trust import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.spec.model import Source

#: How often the weights of a file may share their memory: a stack may name one language model several times.
_MOST_SHARED = 4


@dataclass(frozen=True, slots=True)
class _Need:
    """The weights that a declared size asks for.

    Attributes:
        name: Their name in the stored state.
        sizes: The declared sizes whose product is the least number of values, by what they are called.
    """

    name: str
    sizes: tuple[tuple[str, object], ...]


def check_language_model_sizes(source: Source, state: Mapping[str, Any]) -> None:
    """Refuse a language model that declares more than its file holds.

    Raises:
        SourceError: A size is no whole number, or larger than what is stored (R006).
    """
    _check_sizes(source, state.get("state_dict"), _language_model_needs(state, ""))


def check_tagger_sizes(source: Source, state: Mapping[str, Any]) -> None:
    """Refuse a tagger that declares more than its file holds.

    Embeddings that are objects, of a checkpoint that was trusted, have their weights already.

    Raises:
        SourceError: A size is no whole number, or larger than what is stored (R006).
    """
    stored = state.get("embeddings")
    if isinstance(stored, dict):
        _check_sizes(source, state.get("state_dict"), _tagger_needs(state, stored))


def check_classifier_sizes(source: Source, state: Mapping[str, Any], stored: object) -> None:
    """Refuse a classifier of tokens or texts that declares more than its file holds.

    Args:
        source: The source, for problems.
        state: The checkpoint.
        stored: The embeddings in it; objects, of a checkpoint that was trusted, have their weights already.

    Raises:
        SourceError: A size is no whole number, or larger than what is stored (R006).
    """
    if isinstance(stored, dict):
        _check_sizes(source, state.get("state_dict"), _classifier_needs(state, stored))


def _check_sizes(source: Source, stored: object, needs: Iterator[_Need]) -> None:
    import torch

    if not isinstance(stored, dict):
        raise damaged(source, "the checkpoint has no weights")
    tensors = {name: tensor for name, tensor in stored.items() if isinstance(tensor, torch.Tensor)}
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors.values()}
    taken, held = sum(tensor.nbytes for tensor in tensors.values()), sum(storages.values())
    if taken > _MOST_SHARED * held:
        raise damaged(source, f"the weights of the checkpoint are of {taken} bytes, of which it holds {held}")
    for need in needs:
        wanted = 1
        for what, size in need.sizes:
            if not isinstance(size, int) or not 0 <= size <= LARGEST_SIZE:
                got = size if isinstance(size, float) else f"a {type(size).__name__} that is none"
                raise damaged(source, f"the checkpoint declares as its {what} {got}, expected a size")
            wanted *= max(size, 1)
        values = tensors[need.name].numel() if need.name in tensors else 0
        if wanted > values:
            sizes = ", ".join(f"{what} {size}" for what, size in need.sizes)
            message = f"the checkpoint declares {sizes}: that is {wanted} values of {need.name}, of which it holds"
            raise damaged(source, f"{message} {values}")


def _language_model_needs(parameters: Mapping[str, Any], prefix: str) -> Iterator[_Need]:
    """Yield what `LanguageModel` makes (language_model.py 39-64); the gates of a cell multiply it by at most 4."""
    hidden, features = (_declared(parameters, name) for name in ("hidden_size", "embedding_size"))
    characters = ("characters", _length(parameters.get("dictionary")))
    yield _Need(f"{prefix}encoder.weight", (characters, features))
    yield from _recurrent_needs(f"{prefix}rnn", _declared(parameters, "nlayers"), (features,), (hidden,))
    if parameters.get("nout") is not None:
        nout = _declared(parameters, "nout")
        yield _Need(f"{prefix}proj.weight", (nout, hidden))
        hidden = nout
    if prefix and _is_on(parameters.get("has_decoder", True)):  # of a language model alone, it is not made
        yield _Need(f"{prefix}decoder.weight", (characters, hidden))


def _recurrent_needs(
    name: str,
    layers: tuple[str, object],
    features: tuple[tuple[str, object], ...],
    output: tuple[tuple[str, object], ...],
) -> Iterator[_Need]:
    """Yield what torch's recurrent modules make; of two directions, the first."""
    hidden, count = output[-1], layers[1]
    if not isinstance(count, int):
        yield _Need(f"{name}.weight_hh_l0", (layers,))
        return
    for layer in range(count):
        yield _Need(f"{name}.weight_ih_l{layer}", (hidden, *(output if layer else features)))
        yield _Need(f"{name}.weight_hh_l{layer}", (hidden, hidden))


def _tagger_needs(state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[_Need]:
    """Yield what `SequenceTagger` makes (sequence_tagger_model.py 96-182)."""
    yield from _stack_needs(stored, "embeddings.")
    features = ("embedding_length", _stack_length(stored))
    labels = ("labels", _length(state.get("tag_dictionary")))
    if _is_on(state.get("reproject_embeddings", True)):
        yield _Need("embedding2nn.weight", (features, features))
    output: tuple[tuple[str, object], ...] = (features,)
    if _is_on(state.get("use_rnn")):
        output = (("directions", 2), _declared(state, "hidden_size"))
        yield from _recurrent_needs("rnn", _declared(state, "rnn_layers"), (features,), output)
    yield _Need("linear.weight", (labels, *output))
    if _is_on(state.get("use_crf")):
        old = "transitions" in state["state_dict"]  # the name until 0.11, which flair changes when it loads
        yield _Need("transitions" if old else "crf.transitions", (labels, labels))


def _classifier_needs(state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[_Need]:
    """Yield what `TokenClassifier` and `TextClassifier` make (nn/model.py 590, embeddings/document.py 67-540)."""
    old = any(str(name).startswith("document_embeddings.") for name in state.get("state_dict") or ())
    prefix, cls = "document_embeddings." if old else "embeddings.", str(stored.get("__cls__", "")).rpartition(".")[2]
    words = stored.get("embeddings")
    size: tuple[tuple[str, object], ...]
    if cls == "DocumentLMEmbeddings":
        children = [child for child in stored["flair_embeddings"] if isinstance(child, dict)]
        for place, child in enumerate(children):
            yield from _embedding_needs(child, f"{prefix}lm_embedding_{place}.")
        size = (("embedding_length", sum(map(_embedding_length, children))),)
    elif cls.startswith("Document") and isinstance(words, dict):
        yield from _stack_needs(words, f"{prefix}embeddings.")
        size = (("embedding_length", _stack_length(words)),)
        if cls == "DocumentRNNEmbeddings":
            hidden, features = _declared(stored, "hidden_size"), _declared(stored, "reproject_words_dimension")
            features = features if features[1] is not None and _is_on(stored.get("reproject_words")) else size[0]
            yield _Need(f"{prefix}word_reprojection_map.weight", (features, size[0]))
            size = (("directions", 4), hidden) if _is_on(stored.get("bidirectional")) else (hidden,)
            yield from _recurrent_needs(f"{prefix}rnn", _declared(stored, "rnn_layers"), (features,), (hidden,))
    else:
        yield from _stack_needs(stored, prefix)
        size = (("embedding_length", _stack_length(stored)),)
    yield _Need("decoder.weight", (("labels", _length(state.get("label_dictionary"))), *size))


def _stack_needs(stored: Mapping[str, Any], prefix: str) -> Iterator[_Need]:
    children = stored.get("embeddings")
    if not isinstance(children, list):
        yield from _embedding_needs(stored, prefix)
        return
    for place, child in enumerate(children):
        if isinstance(child, dict):
            yield from _embedding_needs(child, f"{prefix}list_embedding_{place}.")


def _stack_length(stored: Mapping[str, Any]) -> int:
    children = stored.get("embeddings")
    children = children if isinstance(children, list) else [stored]
    return sum(_embedding_length(child) for child in children if isinstance(child, dict))


def _embedding_needs(stored: Mapping[str, Any], prefix: str) -> Iterator[_Need]:
    cls = str(stored.get("__cls__"))
    length = ("embedding_length", stored.get("embedding_length", 300))  # as in token.py 1111 and 1210
    if cls == "FlairEmbeddings" and isinstance(parameters := stored.get("model_params"), dict):
        yield from _language_model_needs(parameters, f"{prefix}lm.")
    elif cls in {"WordEmbeddings", "NILCEmbeddings"}:  # flair loads the latter as the former (token.py 1603)
        yield _Need(f"{prefix}embedding.weight", (("words", _length(stored.get("vocab")) + 1), length))
    elif cls == "OneHotEmbeddings":
        words = ("words", _length(stored.get("vocab_dictionary")))
        yield _Need(f"{prefix}embedding_layer.weight", (words, length))
    elif cls == "TransformerWordEmbeddings":
        yield from _encoder_needs(stored.get("config_state_dict"), f"{prefix}model.")
    elif cls == "HashEmbeddings":
        rows = ("num_embeddings", stored.get("num_embeddings", 1000))
        yield _Need(f"{prefix}embedding_layer.weight", (rows, length))
    elif cls == "BytePairEmbeddings":
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_proto=stored["spm_model_binary"]).vocab_size()
        yield _Need(f"{prefix}embedding.weight", (("pieces", pieces + 1), _declared(stored, "dim")))


def _encoder_needs(config: object, prefix: str) -> Iterator[_Need]:
    """Yield what transformers makes for an encoder. One architecture has names of its own."""
    if not isinstance(config, dict):
        return
    names = _DISTILBERT if config.get("model_type") == "distilbert" else _BERT
    hidden, inner, layers = (_declared(config, names[key]) for key in ("hidden", "inner", "layers"))
    features = _declared(config, "embedding_size") if config.get("model_type") == "electra" else hidden
    for table, size in (("word", "vocab_size"), ("position", "max_position_embeddings")):
        yield _Need(f"{prefix}embeddings.{table}_embeddings.weight", (_declared(config, size), features))
    if names is _BERT:
        types = _declared(config, "type_vocab_size")
        yield _Need(f"{prefix}embeddings.token_type_embeddings.weight", (types, features))
    yield _Need(f"{prefix}{names['layer']}.0.{names['feed']}.weight", (layers,))
    for number in range(layers[1] if isinstance(layers[1], int) else 0):
        layer = f"{prefix}{names['layer']}.{number}"
        yield _Need(f"{layer}.{names['feed']}.weight", (inner, hidden))
        yield _Need(f"{layer}.{names['query']}.weight", (hidden, hidden))


_BERT = {
    "hidden": "hidden_size",
    "inner": "intermediate_size",
    "layers": "num_hidden_layers",
    "layer": "encoder.layer",
    "feed": "intermediate.dense",
    "query": "attention.self.query",
}
_DISTILBERT = {
    "hidden": "dim",
    "inner": "hidden_dim",
    "layers": "n_layers",
    "layer": "transformer.layer",
    "feed": "ffn.lin1",
    "query": "attention.q_lin",
}


def _encoder_length(stored: Mapping[str, Any]) -> int:
    """Return the declared length of a token's vector (transformer.py 1245-1257)."""
    config = stored["config_state_dict"]
    length = config.get(_DISTILBERT["hidden"] if config.get("model_type") == "distilbert" else _BERT["hidden"])
    layers = stored.get("layers", "-1")
    chosen = layers.count(",") + 1 if isinstance(layers, str) and not stored.get("layer_mean", True) else 1
    twice = 2 if stored.get("subtoken_pooling") == "first_last" else 1
    return length * chosen * twice if isinstance(length, int) else 0


def _embedding_length(stored: Mapping[str, Any]) -> int:
    """Return the declared length of an embedding, whose sizes have been looked at."""
    if isinstance(stored.get("config_state_dict"), dict):
        return _encoder_length(stored)
    parameters = stored.get("model_params")
    if isinstance(parameters, dict):
        length = parameters.get("hidden_size") if parameters.get("nout") is None else parameters["nout"]
    elif "spm_model_binary" in stored:
        half = stored.get("dim")
        length = 2 * half if isinstance(half, int) else 0
    else:
        length = stored.get("embedding_length", 300)
    return length if isinstance(length, int) else 0


def _declared(state: Mapping[str, Any], name: str) -> tuple[str, object]:
    return name, state.get(name)


def _is_on(value: object) -> bool:
    """Return whether a switch is on, as Python tells it; a tensor of several values is neither on nor off."""
    try:
        return bool(value)
    except RuntimeError:
        return True


def _length(sized: object) -> int:
    """Return the length of a dictionary or a vocabulary, and 0 of what is none: flair will say so."""
    items = getattr(sized, "idx2item", sized)
    return len(items) if isinstance(items, list | dict | str) else 0
