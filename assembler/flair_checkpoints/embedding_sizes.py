"""The weights that stored embeddings require."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assembler.flair_checkpoints.declared_sizes import Need, declared, is_on, length_of
from assembler.flair_checkpoints.encoder_sizes import encoder_length, encoder_needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def language_model_needs(parameters: Mapping[str, Any], prefix: str) -> Iterator[Need]:
    """Yield the weights of a `LanguageModel` (language_model.py 39-64); the gates of a cell add a factor up to 4."""
    hidden, features = (declared(parameters, name) for name in ("hidden_size", "embedding_size"))
    characters = ("characters", length_of(parameters.get("dictionary")))
    yield Need(f"{prefix}encoder.weight", (characters, features))
    yield from recurrent_needs(f"{prefix}rnn", declared(parameters, "nlayers"), (features,), (hidden,))
    if parameters.get("nout") is not None:
        nout = declared(parameters, "nout")
        yield Need(f"{prefix}proj.weight", (nout, hidden))
        hidden = nout
    if prefix and is_on(parameters.get("has_decoder", True)):  # not made for a language model alone
        yield Need(f"{prefix}decoder.weight", (characters, hidden))


def recurrent_needs(
    name: str,
    layers: tuple[str, object],
    features: tuple[tuple[str, object], ...],
    output: tuple[tuple[str, object], ...],
) -> Iterator[Need]:
    """Yield the weights that torch's recurrent modules make; of two directions, the first."""
    hidden, count = output[-1], layers[1]
    if not isinstance(count, int):
        yield Need(f"{name}.weight_hh_l0", (layers,))
        return
    for layer in range(count):
        yield Need(f"{name}.weight_ih_l{layer}", (hidden, *(output if layer else features)))
        yield Need(f"{name}.weight_hh_l{layer}", (hidden, hidden))


def stack_needs(stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
    """Yield what the embeddings of a stack ask for."""
    children = stored.get("embeddings")
    if not isinstance(children, list):
        yield from embedding_needs(stored, prefix)
        return
    for place, child in enumerate(children):
        if isinstance(child, dict):
            yield from embedding_needs(child, f"{prefix}list_embedding_{place}.")


def stack_length(stored: Mapping[str, Any]) -> int:
    """Return the declared length of a stack's vectors."""
    children = stored.get("embeddings")
    children = children if isinstance(children, list) else [stored]
    return sum(embedding_length(child) for child in children if isinstance(child, dict))


def embedding_needs(stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
    """Yield what one embedding asks for."""
    cls = str(stored.get("__cls__"))
    length = ("embedding_length", stored.get("embedding_length", 300))  # as in token.py 1111 and 1210
    if cls == "FlairEmbeddings" and isinstance(parameters := stored.get("model_params"), dict):
        yield from language_model_needs(parameters, f"{prefix}lm.")
    elif cls in {"WordEmbeddings", "NILCEmbeddings"}:  # flair loads the latter as the former (token.py 1603)
        yield Need(f"{prefix}embedding.weight", (("words", length_of(stored.get("vocab")) + 1), length))
    elif cls == "OneHotEmbeddings":
        words = ("words", length_of(stored.get("vocab_dictionary")))
        yield Need(f"{prefix}embedding_layer.weight", (words, length))
    elif cls == "TransformerWordEmbeddings":
        yield from encoder_needs(stored.get("config_state_dict"), f"{prefix}model.")
    elif cls == "HashEmbeddings":
        rows = ("num_embeddings", stored.get("num_embeddings", 1000))
        yield Need(f"{prefix}embedding_layer.weight", (rows, length))
    elif cls == "BytePairEmbeddings":
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_proto=stored["spm_model_binary"]).vocab_size()
        yield Need(f"{prefix}embedding.weight", (("pieces", pieces + 1), declared(stored, "dim")))


def embedding_length(stored: Mapping[str, Any]) -> int:
    """Return the declared length of an embedding, whose sizes were already checked."""
    if isinstance(stored.get("config_state_dict"), dict):
        return encoder_length(stored)
    parameters = stored.get("model_params")
    if isinstance(parameters, dict):
        length = parameters.get("hidden_size") if parameters.get("nout") is None else parameters["nout"]
    elif "spm_model_binary" in stored:
        half = stored.get("dim")
        length = 2 * half if isinstance(half, int) else 0
    else:
        length = stored.get("embedding_length", 300)
    return length if isinstance(length, int) else 0
