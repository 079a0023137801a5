"""The embeddings of a model: one, or several in a stack; checked, sized and copied as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from flair.data import Sentence
from flair.embeddings import StackedEmbeddings, TokenEmbeddings

from assembler.flair_checkpoints.embeddings.embedding_registry import (
    SUPPORTED,
    is_read,
    reader_of,
    reader_of_stored,
    with_reason,
)
from assembler.flair_checkpoints.stored_dictionary import is_text
from assembler.flair_checkpoints.stored_values import refuse_other_keys, stored_class
from assembler.flair_checkpoints.trust import damaged, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.forms.source import Source

_STACK = "StackedEmbeddings"
_MOST, _DEEPEST = 64, 8
#: The classes of embeddings that can be assembled, stacks of them included.
KNOWN = (_STACK, *SUPPORTED)
HINT = f"embeddings that can be assembled: {', '.join(KNOWN)}"


def members(stack: object) -> list[TokenEmbeddings]:
    """Return loaded embeddings by their place in a stack; of a stack in it, its own in its place.

    flair joins the vectors of all of them by name, whichever stack they are in (token.py 80).
    """
    loaded: Any = stack
    if not isinstance(loaded, StackedEmbeddings):
        return [loaded]
    return [member for child in loaded.embeddings for member in members(child)]


def check_stored(source: Source, stored: object) -> None:
    """Refuse embeddings that cannot be assembled before flair makes them. Some of them download, or run for minutes."""
    if isinstance(stored, TokenEmbeddings):
        return  # an object, from a checkpoint that --trust let through
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the tagger are a {type(stored).__name__}")
    check_count(source, [*_checked(source, "the tagger", stored, _DEEPEST)])


def _checked(source: Source, what: str, stored: dict[str, Any], depth: int) -> Iterator[object]:
    """Check a stack and what is in it; yield the embeddings that are no stacks.

    Raises:
        SourceError: As `check_stored`; stacks are nested too deep (R006).
    """
    if accepted_class(source, stored) != _STACK:
        yield stored
        return
    children = stored.get("embeddings")
    if not isinstance(children, list):
        raise damaged(source, f"the stack of {what} is a {type(children).__name__}, expected a list of embeddings")
    if not depth:
        raise damaged(source, f"the tagger has stacks in stacks, more than {_DEEPEST} deep")
    check_count(source, children)
    for place, child in enumerate(children):
        if not isinstance(child, dict):
            raise damaged(source, f"embedding {place} of {what} is a {type(child).__name__}")
        yield from _checked(source, f"embedding {place} of {what}", child, depth - 1)


def check_count(source: Source, embeddings: Sequence[object]) -> None:
    """Refuse more embeddings than anybody stacks (R006). Each is checked, and naming one again takes a few bytes."""
    if len(embeddings) > _MOST:
        raise damaged(source, f"the checkpoint stacks {len(embeddings)} embeddings, expected at most {_MOST}")


def accepted_class(source: Source, stored: dict[str, Any]) -> str:
    """Return the class of stored embeddings, which is a supported one."""
    cls = stored_class(stored)
    reader = reader_of_stored(cls)
    if (reader is None and cls != _STACK) or stored["__cls__"] != cls:
        raise refuse(source, f"the tagger uses {with_reason(cls) or 'embeddings without a class'}", HINT)
    if reader is not None:
        reader.check_stored(source, stored)
    return cls


def by_name(embeddings: Sequence[TokenEmbeddings]) -> list[int]:
    """Return the places of embeddings in the order in which flair joins them.

    flair sorts by name, not by place (data.py 315-322): "10-x" comes before "2-x", and the unprefixed names of old
    checkpoints put backward before forward.
    """
    return sorted(range(len(embeddings)), key=lambda place: embeddings[place].name)


@torch.no_grad()
def embed(embeddings: Sequence[TokenEmbeddings], sentences: Sequence[Sequence[str]]) -> Array:
    """Return the vectors that a model's token embeddings compute: float32 [sentences, tokens, features]."""
    batch = [Sentence(list(tokens)) for tokens in sentences]
    for embedding in embeddings:
        embedding.embed(batch)
    names = sorted(embedding.name for embedding in embeddings)
    rows = [torch.stack([token.get_embedding(names) for token in sentence]) for sentence in batch]
    result: Array = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).numpy()
    return result


def check_members(source: Source, embeddings: Sequence[TokenEmbeddings]) -> None:
    """Refuse loaded embeddings that cannot be assembled.

    Raises:
        SourceError: One of them, or an option, cannot be assembled (R005), or a value is damaged (R006).
    """
    for index, embedding in enumerate(embeddings):
        what = f"embedding {index} of the tagger"
        if not is_read(embedding):
            raise refuse(source, f"{what} is {with_reason(type(embedding).__name__)}", HINT)
        reader = reader_of(embedding)
        if not is_text(embedding.name):
            raise damaged(source, f"{what} has a name that is no text")
        reader.check(source, what, embedding)
        reason = next(reader.refused(embedding), None)
        if reason is not None:
            raise refuse(source, f"{what} {reason}")
    if len({each.respect_document_boundaries for each in embeddings if getattr(each, "context_length", 0)}) > 1:
        raise refuse(
            source, "two encoders of the tagger read their neighbours in two ways (respect_document_boundaries)"
        )
    names = [embedding.name for embedding in embeddings]
    for name in names:
        if names.count(name) > 1:
            # flair skips an embedding whose name every token already has (base.py 50), so both return the first one's
            # vectors
            raise refuse(source, f"two embeddings of the tagger have the name '{name}'", "flair takes one for both")


def can_read(embeddings: Sequence[TokenEmbeddings], sentence: Sequence[str]) -> bool:
    """Return whether flair embeds a sentence by all of them, and fails on none."""
    return all(reader_of(embedding).can_read(embedding, sentence) for embedding in embeddings)


def plain_stack(source: Source, stored: object) -> dict[str, object]:
    """Return the state of embeddings for flair. Their classes were already checked.

    Raises:
        SourceError: There is an option that flair does not write (R005), or a value of another sort (R006).
    """
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the tagger are a {type(stored).__name__}")
    if stored.get("__cls__") != _STACK:
        return plain_embedding(source, "the embedding of the tagger", stored)
    return _plain_stack(source, "the tagger", stored)


def _plain_stack(source: Source, what: str, stored: Mapping[str, Any]) -> dict[str, object]:
    refuse_other_keys(source, f"the stack of {what}", stored, {"__cls__", "embeddings"})
    children = enumerate(stored["embeddings"])
    made = [plain_embedding(source, f"embedding {place} of {what}", child) for place, child in children]
    return {"__cls__": _STACK, "embeddings": made}


def plain_embedding(source: Source, what: str, stored: Mapping[str, Any]) -> dict[str, object]:
    """Return the state of one of them for flair, as `plain_stack`."""
    if stored["__cls__"] == _STACK:
        return _plain_stack(source, what, stored)
    reader = reader_of_stored(stored["__cls__"])
    if reader is None:
        raise TypeError(stored["__cls__"])
    return {"__cls__": stored["__cls__"], **reader.plain(source, what, stored)}


def stack_needs(stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
    """Yield the weights that the embeddings of a stack require."""
    children = stored.get("embeddings")
    if not isinstance(children, list):
        yield from embedding_needs(stored, prefix)
        return
    for place, child in enumerate(children):
        if isinstance(child, dict):
            yield from stack_needs(child, f"{prefix}list_embedding_{place}.")


def embedding_needs(stored: Mapping[str, Any], prefix: str) -> Iterator[Need]:
    """Yield the weights that one of them requires."""
    reader = reader_of_stored(stored.get("__cls__"))
    if reader is not None:
        yield from reader.needs(stored, prefix)


def stack_length(stored: Mapping[str, Any]) -> int:
    """Return the declared length of a stack's vectors."""
    children = stored.get("embeddings")
    if not isinstance(children, list):
        return embedding_length(stored)
    return sum(stack_length(child) for child in children if isinstance(child, dict))


def embedding_length(stored: Mapping[str, Any]) -> int:
    """Return the declared length of one of them, whose sizes were already checked."""
    reader = reader_of_stored(stored.get("__cls__"))
    length = 0 if reader is None else reader.length(stored)
    return length if isinstance(length, int) else 0
