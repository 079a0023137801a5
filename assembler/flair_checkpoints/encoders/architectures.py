"""The architectures whose operators torch exports, and what of their configurations reaches transformers.

transformers has a class for the configuration of each. The parameters that this class names itself decide the
architecture; the rest of a stored configuration is left out, and with it whatever names code, files or other models.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from assembler.core.name_rules import LARGEST_SIZE
from assembler.flair_checkpoints.declared_sizes import Need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The `model_type`s that were tried, in the order of messages; `tools/try_encoders.py` tries each.
ARCHITECTURES = (
    "albert", "bart", "big_bird", "bloom", "codegen", "convbert", "data2vec-text", "deberta", "deberta-v2", "ernie",
    "esm", "falcon", "flaubert", "gemma", "gemma2", "gpt2", "gpt_neo", "gpt_neox", "gptj", "ibert", "llama",
    "megatron-bert", "mistral", "mobilebert", "modernbert", "mpnet", "mt5", "openai-gpt", "opt", "qwen2", "qwen3",
    "rembert", "roberta-prelayernorm", "roc_bert", "roformer", "splinter", "squeezebert", "t5", "xlm",
    "xlm-roberta-xl", "xlnet",
)  # fmt: skip
#: Why others are not: what flair does with them, or what was measured.
REFUSED: Mapping[str, str] = {
    "canine": "of which flair 0.15.1 stacks states of different lengths (transformer.py 1378)",
    "fnet": "which reads the padding of shorter texts too, so that what it gives depends on the batch",
    "funnel": "of which flair 0.15.1 stacks states of different lengths (transformer.py 1378)",
    "led": "whose windows torch's exporter takes for constants",
    "longformer": "whose windows torch's exporter takes for constants",
    "luke": "of which flair 0.15.1 takes the states of entities for those of subtokens (transformer.py 1376)",
    "mra": "which reads the padding of shorter texts too, so that what it gives depends on the batch",
    "nystromformer": "which reads the padding of shorter texts too, so that what it gives depends on the batch",
    "reformer": "which reads the padding of shorter texts too, so that what it gives depends on the batch",
    "xmod": "whose adapters torch's exporter chooses once for all texts",
    "yoso": "which reads the padding of shorter texts too, so that what it gives depends on the batch",
}
_LONGEST_LIST = 1024
#: Words in the names of settings that count modules, which cost time before any weight is compared.
_COUNTING = ("layer", "block", "group", "network", "repeat")
_MOST_MODULES = 1024
#: How many bytes the fixed tables of an architecture may have beside its weights.
_FIXED = 1 << 28


def why_refused(architecture: str, others: Iterator[str]) -> str:
    """Return why an encoder of an architecture cannot be assembled."""
    if architecture in REFUSED:
        return f"is of the type '{architecture}', {REFUSED[architecture]}"
    return f"is of the type '{architecture}', not one of {', '.join((*others, *ARCHITECTURES))}"


def configuration_refusals(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings of an architecture that cannot be given to transformers."""
    for name, value in _decisive(config).items():
        if not _is_plain(value):
            yield f"has a {type(value).__name__} as its {name}, expected a number, a text, or a list of them"
        counts = value if isinstance(value, list) else [value]
        if any(word in name for word in _COUNTING) and any(_is_more(count) for count in counts):
            yield f"has {value!r:.60} as its {name}, expected at most {_MOST_MODULES}"


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
        yield Need(f"{prefix}{largest}", (("fixed tables of bytes", fixed),))
    for name, parameter in made.named_parameters():
        yield Need(f"{prefix}{name}", (("configuration as the size", parameter.numel()),))


def skeleton(config: Mapping[str, Any]) -> torch.nn.Module:
    """Return the model of a configuration on torch's device `meta`: with its modules, but no memory for weights."""
    from transformers import CONFIG_MAPPING, AutoModel, T5EncoderModel

    made = CONFIG_MAPPING[config["model_type"]].from_dict(plain_settings(config))
    with torch.device("meta"):
        if config["model_type"] in {"t5", "mt5"}:  # as flair does (transformer.py 1126-1135)
            model: torch.nn.Module = T5EncoderModel(made)
        else:
            model = AutoModel.from_config(made)
    return model


def tokenizer_classes() -> frozenset[str]:
    """Return the names of the tokenisers that transformers has for the architectures."""
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    return frozenset(
        name for architecture in ARCHITECTURES for name in TOKENIZER_MAPPING_NAMES.get(architecture, ()) if name
    )


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the class of the configuration names, those that are stored."""
    from transformers import CONFIG_MAPPING

    named = inspect.signature(CONFIG_MAPPING[config["model_type"]].__init__).parameters.values()
    names = [each.name for each in named if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"]
    return {name: config[name] for name in names if name in config}


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
