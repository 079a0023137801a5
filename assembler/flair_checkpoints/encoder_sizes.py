"""The weights that the configuration of a transformer encoder requires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assembler.flair_checkpoints.declared_sizes import Need, declared
from assembler.flair_checkpoints.encoders.architectures import ARCHITECTURES, architecture_needs, vector_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def encoder_needs(config: object, prefix: str) -> Iterator[Need]:
    """Yield the weights that transformers makes for an encoder. One architecture has its own names."""
    if not isinstance(config, dict):
        return
    if config.get("model_type") in ARCHITECTURES:
        yield from architecture_needs(config, prefix)
        return
    names = _DISTILBERT if config.get("model_type") == "distilbert" else _BERT
    hidden, inner, layers = (declared(config, names[key]) for key in ("hidden", "inner", "layers"))
    features = declared(config, "embedding_size") if config.get("model_type") == "electra" else hidden
    for table, size in (("word", "vocab_size"), ("position", "max_position_embeddings")):
        yield Need(f"{prefix}embeddings.{table}_embeddings.weight", (declared(config, size), features))
    if names is _BERT:
        types = declared(config, "type_vocab_size")
        yield Need(f"{prefix}embeddings.token_type_embeddings.weight", (types, features))
    yield Need(f"{prefix}{names['layer']}.0.{names['feed']}.weight", (layers,))
    for number in range(layers[1] if isinstance(layers[1], int) else 0):
        layer = f"{prefix}{names['layer']}.{number}"
        yield Need(f"{layer}.{names['feed']}.weight", (inner, hidden))
        yield Need(f"{layer}.{names['query']}.weight", (hidden, hidden))


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


def encoder_length(stored: Mapping[str, Any]) -> int:
    """Return the declared length of a token's vector (transformer.py 1245-1257)."""
    config = stored["config_state_dict"]
    if config.get("model_type") in ARCHITECTURES:
        config = {_BERT["hidden"]: vector_length(config)}
    length = config.get(_DISTILBERT["hidden"] if config.get("model_type") == "distilbert" else _BERT["hidden"])
    layers = stored.get("layers", "-1")
    chosen = layers.count(",") + 1 if isinstance(layers, str) and not stored.get("layer_mean", True) else 1
    twice = 2 if stored.get("subtoken_pooling") == "first_last" else 1
    return length * chosen * twice if isinstance(length, int) else 0
