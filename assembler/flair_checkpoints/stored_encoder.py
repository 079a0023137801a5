"""Checks what a checkpoint says about a transformer encoder, before flair and transformers make one from it.

Both accept any keys: transformers runs code that a configuration names, under aliases too. So only keys that flair
itself writes are passed on, with values of the right sort, and of the configuration only those that decide the
architecture. TF is flair 0.15.1's embeddings/transformer.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assembler.core.name_rules import LARGEST_SIZE
from assembler.flair_checkpoints.encoders.architectures import ARCHITECTURES as EXPORTED
from assembler.flair_checkpoints.encoders.architectures import REFUSED, configuration_refusals, plain_settings
from assembler.flair_checkpoints.stored_tokenizer import TokenizerRefusedError, plain_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The architectures whose operators are ours, by their `model_type`: one body, with differences in the embeddings.
ARCHITECTURES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
_BERT_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size",
)  # fmt: skip
_DISTILBERT_SIZES = ("vocab_size", "dim", "n_layers", "n_heads", "hidden_dim", "max_position_embeddings")
_SIZES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(ARCHITECTURES, _BERT_SIZES),
    "electra": (*_BERT_SIZES, "embedding_size"),
    "distilbert": _DISTILBERT_SIZES,
}
_TEXTS = ("hidden_act", "activation", "position_embedding_type")
#: The keys that flair stores for an encoder (TF 434-459, 1345-1375), by the type of the value.
_FLAGS = (
    "is_token_embedding", "is_document_embedding", "allow_long_sentences", "respect_document_boundaries", "fine_tune",
    "force_max_length", "needs_manual_ocr", "use_context_separator", "layer_mean", "truncate", "use_lang_emb",
)  # fmt: skip
_NAMES = ("__cls__", "name", "model", "layers", "subtoken_pooling", "cls_pooling")
_NUMBERS = ("context_length", "stride", "embedding_length")
_OTHERS = ("context_dropout", "config_state_dict", "tokenizer_data", "feature_extractor_data")
_STORED = frozenset((*_FLAGS, *_NAMES, *_NUMBERS, *_OTHERS))


def encoder_refused_as_stored(stored: Mapping[str, Any]) -> str | None:
    """Return why an encoder in a checkpoint must not be made, or `None`."""
    return next(_refusals(stored), None)


def _refusals(stored: Mapping[str, Any]) -> Iterator[str]:
    strange = next((key for key in stored if key not in _STORED), None)
    if strange is not None:
        yield f"has the option {strange!r:.60}, which flair 0.15.1 does not write"
    if stored.get("feature_extractor_data") is not None:
        yield "reads images beside the text"
    for names, expected, fits in (
        (_FLAGS, "true or false", lambda value: type(value) is bool),
        (_NAMES, "a text", lambda value: type(value) is str),
        (_NUMBERS, "a whole number", _is_size),
        (("context_dropout",), "a number", lambda value: type(value) in {int, float}),
    ):
        for name in names:
            if name in stored and not fits(stored[name]):
                yield f"has the value {_shown(stored[name])} as its {name}, expected {expected}"
    layers = stored.get("layers", "-1")
    if type(layers) is not str or not re.fullmatch(r"all|-?\d{1,4}(,-?\d{1,4}){0,99}", layers):
        yield f"has the layers {_shown(layers)}"
    if stored.get("config_state_dict") is None and type(stored.get("model")) is str:
        yield f"names the model {_shown(stored['model'])} alone, without its configuration, which flair would fetch"
    yield from _configuration_refusals(stored.get("config_state_dict"))
    try:
        plain_tokenizer(stored.get("tokenizer_data"))
    except TokenizerRefusedError as err:
        yield str(err)


def _configuration_refusals(config: object) -> Iterator[str]:
    if not isinstance(config, dict):
        yield "has no configuration of its encoder"
        return
    architecture = config.get("model_type")
    if type(architecture) is str and architecture in REFUSED:
        yield f"is of the type '{architecture}', {REFUSED[architecture]}"
        return
    if type(architecture) is not str or architecture not in (*ARCHITECTURES, *EXPORTED):
        yield f"is of the type {_shown(architecture)}, not one of {', '.join((*ARCHITECTURES, *EXPORTED))}"
        return
    own = architecture in ARCHITECTURES
    yield from _unfit_values(config, architecture) if own else configuration_refusals(config)
    for name in ("auto_map", "quantization_config", "pruned_heads", "is_decoder", "add_cross_attention"):
        if config.get(name):
            yield f"has the setting '{name}' in its configuration"
    for name in ("dtype", "torch_dtype"):
        held = config.get(name)
        if held is not None and (type(held) is not str or held not in {"float32", "torch.float32"}):
            yield f"holds numbers of the type {_shown(config[name])}, expected float32"


def _unfit_values(config: Mapping[str, Any], architecture: str) -> Iterator[str]:
    for name in _SIZES[architecture]:
        if not _is_size(config.get(name)) or not config[name]:
            yield f"declares as its {name} {_shown(config.get(name))}, expected a size"
    for name in _TEXTS:
        if type(config.get(name, "")) is not str:
            yield f"has the value {_shown(config[name])} as its {name}, expected a text"
    epsilon, padding = config.get("layer_norm_eps", 1e-12), config.get("pad_token_id")
    if type(epsilon) is not float or not 0 < epsilon < 1:
        yield f"has the value {_shown(epsilon)} as its layer_norm_eps, expected a small number"
    if padding is not None and not _is_size(padding):
        yield f"has the value {_shown(padding)} as its pad_token_id, expected an id"


def plain_encoder(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return flair's state for an encoder that was not refused. It names no model, because nothing is missing."""
    given = {name: stored[name] for name in (*_FLAGS, *_NAMES, *_NUMBERS, "context_dropout") if name in stored}
    given |= {"config_state_dict": _plain_configuration(stored["config_state_dict"])}
    given |= {"tokenizer_data": plain_tokenizer(stored["tokenizer_data"])}
    return {name: value for name, value in given.items() if name not in {"__cls__", "model"}}


def _plain_configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that decide the architecture.

    The rest (dropout, generation, classes…) never matters for predictions.
    """
    if config["model_type"] not in ARCHITECTURES:
        return plain_settings(config)
    sizes = _SIZES[config["model_type"]]
    names = ("model_type", *sizes, *_TEXTS, "layer_norm_eps", "pad_token_id")
    return {**{name: config[name] for name in names if name in config}, "output_hidden_states": True}


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SIZE


def _shown(value: object) -> str:
    return f"{value!r:.60}" if isinstance(value, str | int | float) else f"a {type(value).__name__}"
