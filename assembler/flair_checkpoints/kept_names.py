"""The names of embeddings, by which flair joins them, under a key of our own.

flair does not write the names of all classes, and ignores the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assembler.flair_checkpoints.stored_dictionary import is_text
from assembler.flair_checkpoints.trust import damaged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flair.embeddings import TokenEmbeddings

    from assembler.forms.source import Source

#: The key, and what is below it: the names of the embeddings by their place.
OWN_KEY, _NAMES = "assembler", "names"


def with_names(state: Mapping[str, Any], names: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return a state that keeps the names of the embeddings of each of its models."""
    tasks = state.get("model_states")
    if not isinstance(tasks, dict):
        return {**state, OWN_KEY: {_NAMES: list(names[0])}}
    kept = {
        task: {**own, OWN_KEY: {_NAMES: list(each)}} for (task, own), each in zip(tasks.items(), names, strict=True)
    }
    return {**state, "model_states": kept}


def give_names(source: Source, state: Mapping[str, Any], embeddings: Sequence[TokenEmbeddings]) -> None:
    """Give embeddings the names that a state keeps.

    Raises:
        SourceError: They are no names of its embeddings (R006).
    """
    if OWN_KEY not in state:
        return
    kept = state[OWN_KEY]
    names = kept.get(_NAMES) if type(kept) is dict else None
    if type(names) is not list or not all(map(is_text, names)) or len(names) != len(embeddings):
        raise damaged(source, f"the names under '{OWN_KEY}' are not those of {len(embeddings)} embeddings")
    for embedding, name in zip(embeddings, names, strict=True):
        embedding.name = name
