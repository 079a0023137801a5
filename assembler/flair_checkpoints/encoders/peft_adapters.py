"""Refuses weights beside which there are adapters of the library peft."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assembler.flair_checkpoints.trust import refuse

if TYPE_CHECKING:
    from assembler.forms.source import Source

#: What peft puts into the names of weights: a model around the model, a layer around each layer, and its own weights.
_ADAPTED = re.compile(r"\.base_model\.model\.|\.base_layer\.|\.lora_\w+\.|\.modules_to_save\.")


def check_adapters(source: Source, weights: object) -> None:
    """Refuse adapters that were not merged. How much they count for is not stored, and flair loads none.

    Raises:
        SourceError: There are adapters (R005).
    """
    names = (name for name in weights if isinstance(name, str)) if isinstance(weights, dict) else iter(())
    found = next((name for name in names if _ADAPTED.search(name)), None)
    if found is not None:
        message = f"the checkpoint has adapters of the library peft beside its weights ({found!a:.120}), which flair "
        hint = "merge them where peft is installed, embeddings.model = embeddings.model.merge_and_unload(), and save"
        raise refuse(source, f"{message}0.15.1 does not load", hint)
