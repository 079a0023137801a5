"""The architectures whose operators torch exports, and what of their configurations reaches transformers.

transformers has a class for the configuration of each, and a module with the model. The settings that these two name
decide the architecture. The rest of a stored configuration is left out, and with it whatever names code, files or
other models. TF is flair 0.15.1's embeddings/transformer.py.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from assembler.core.name_rules import LARGEST_SIZE
from assembler.flair_checkpoints.declared_sizes import Need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The `model_type`s that were tried, in the order of messages; `tools/try_encoders.py` tries each.
ARCHITECTURES = (
    "albert", "bart", "big_bird", "bloom", "codegen", "data2vec-text", "deberta", "deberta-v2", "ernie",
    "esm", "falcon", "flaubert", "gemma", "gemma2", "gpt2", "gpt_neo", "gpt_neox", "gptj", "ibert", "llama",
    "longformer", "megatron-bert", "mistral", "modernbert", "mpnet", "mt5", "openai-gpt", "opt", "qwen2", "qwen3",
    "rembert", "roberta-prelayernorm", "roc_bert", "roformer", "splinter", "squeezebert", "t5", "xlm",
    "xlm-roberta-xl", "xlnet",
)  # fmt: skip
_PADDING = "which reads the padding of shorter texts too, so that what it gives depends on the other texts of a batch"
#: Why others are not: what flair does with them, or what was measured.
REFUSED: Mapping[str, str] = {
    "canine": "of which flair 0.15.1 stacks states of different lengths (TF 1415)",
    "convbert": _PADDING,
    "fnet": _PADDING,
    "funnel": "of which flair 0.15.1 stacks states of different lengths (TF 1415)",
    "led": "whose windows torch's exporter takes for constants",
    "luke": "of which flair 0.15.1 takes the states of entities for those of subtokens (TF 1413)",
    "mobilebert": _PADDING,
    "mra": "whose attention transformers computes on GPUs alone, and as zeros elsewhere",
    "nystromformer": _PADDING,
    "xmod": "whose adapters torch's exporter chooses once for all texts",
    "yoso": _PADDING,
}
#: The settings of every architecture that may decide positions or masks.
_SUBTOKENS = frozenset({"pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id"})
_LONGEST_LIST = 1024
_LONGEST_REASON = 200
#: Words in the names of settings that count modules, which cost time before any weight is compared.
_COUNTING = ("layer", "block", "group", "network", "repeat")
_MOST_MODULES = 1024
#: How many bytes the fixed tables of an architecture may have beside its weights.
_FIXED = 1 << 28


def vector_length(config: Mapping[str, Any]) -> int:
    """Return how many features a state of a stored configuration has, whose sizes were already compared."""
    from transformers import CONFIG_MAPPING

    return int(CONFIG_MAPPING[config["model_type"]].from_dict(plain_settings(config)).hidden_size)


def configuration_refusals(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings of an architecture that cannot be given to transformers, or from which it makes no model."""
    refused = False
    for reason in _setting_refusals(config):
        refused = True
        yield reason
    if refused:
        return
    try:
        skeleton(config)
    except Exception as err:  # noqa: BLE001 - the classes raise errors of many sorts on settings that do not fit
        yield f"has a configuration of which transformers makes no '{config['model_type']}': {reason_of(err)}"


def _setting_refusals(config: Mapping[str, Any]) -> Iterator[str]:
    for name, value in _decisive(config).items():
        if not _is_plain(value):
            yield f"has a {type(value).__name__} as its {name}, expected a number, a text, or a list of them"
        counts = value if isinstance(value, list) else [value]
        if any(word in name for word in _COUNTING) and any(_is_more(count) for count in counts):
            yield f"has {value!r:.60} as its {name}, expected at most {_MOST_MODULES}"


def reason_of(err: BaseException) -> str:
    """Return the class of an error and the first line of it that says something, in one line."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return f"{type(err).__name__}: {lines[0] if lines else 'no reason is given'}"[:_LONGEST_REASON]


def plain_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide the architecture."""
    return {"model_type": config["model_type"], **_decisive(config), "output_hidden_states": True}


def architecture_needs(config: Mapping[str, Any], prefix: str) -> Iterator[Need]:
    """Yield the weights that transformers makes, of a model without memory for them.

    Args:
        config: The stored configuration, which was not refused.
        prefix: What the names of the weights begin with.
    """
    made = skeleton(config)
    fixed = sum(buffer.nbytes for _, buffer in made.named_buffers())
    largest = max(made.named_parameters(), key=lambda named: named[1].numel())[0]
    if fixed > _FIXED:
        yield Need(f"{prefix}{largest}", (("bytes of fixed tables", fixed),))
    for name, parameter in made.named_parameters():
        yield Need(f"{prefix}{name}", tuple((f"size {axis}", size) for axis, size in enumerate(parameter.shape)))


def skeleton(config: Mapping[str, Any]) -> torch.nn.Module:
    """Return the model of a configuration on torch's device `meta`: with its modules, but no memory for weights."""
    from transformers import CONFIG_MAPPING, AutoModel, T5EncoderModel

    made = CONFIG_MAPPING[config["model_type"]].from_dict(plain_settings(config))
    make: Any = T5EncoderModel if config["model_type"] in {"t5", "mt5"} else AutoModel.from_config  # TF 1098-1125
    with torch.device("meta"):
        model: torch.nn.Module = make(made)
    return model


def tokenizer_classes() -> frozenset[str]:
    """Return the names of the tokenisers that transformers has for the architectures."""
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    listed = (name for architecture in ARCHITECTURES for name in TOKENIZER_MAPPING_NAMES.get(architecture, ()) if name)
    # transformers stores the name of a fast class without `Fast`, whether there is such a class or not
    return frozenset(each for name in listed for each in (name, name.removesuffix("Fast")))


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored settings that decide an architecture."""
    return {name: config[name] for name in sorted(_deciding(config["model_type"]) & config.keys())}


@cache
def _deciding(architecture: str) -> frozenset[str]:
    """Return the names of the settings that decide an architecture.

    Some are no parameters of the class of the configuration: DeBERTa's `share_att_key` is read by its model alone.
    Settings that every architecture has do not count, but for the subtokens with a meaning.
    """
    from transformers import CONFIG_MAPPING, MODEL_MAPPING, PretrainedConfig

    cls = CONFIG_MAPPING[architecture]
    named = {
        each.name
        for each in inspect.signature(cls.__init__).parameters.values()
        if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"
    }
    module = inspect.getmodule(MODEL_MAPPING[cls])
    read = set(re.findall(r"\bconfig(?:\.|, \")([a-z]\w*)", "" if module is None else inspect.getsource(module)))
    common = PretrainedConfig().to_dict().keys() | {"attn_implementation", "attribute_map", "auto_map"}
    return frozenset((named | read) - (common - _SUBTOKENS))


def _is_plain(value: object, *, inner: bool = False) -> bool:
    """Return whether a value is a number, a text, none, or a list or a table of them; lists may have lists."""
    if isinstance(value, list | tuple):
        return len(value) <= _LONGEST_LIST and all(_is_plain(each, inner=True) for each in value)
    if isinstance(value, dict):
        keyed = all(type(key) is str and not isinstance(each, dict) for key, each in value.items())
        return not inner and len(value) <= _LONGEST_LIST and keyed and all(map(_is_plain, value.values()))
    if type(value) is int:
        return abs(value) <= LARGEST_SIZE
    return value is None or type(value) in {bool, float, str}


def _is_more(count: object) -> bool:
    return isinstance(count, int | float) and count > _MOST_MODULES
