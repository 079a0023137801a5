"""Compares the sizes that a flair checkpoint declares with the weights that it holds.

flair makes every layer at the size that the checkpoint declares, and only then compares it with the weights, so 3 kB
could request gigabytes. Therefore the declared sizes are compared first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assembler.flair_checkpoints.declared_sizes import Need, check_sizes, declared, is_on, length_of
from assembler.flair_checkpoints.embedding_sizes import (
    embedding_length,
    embedding_needs,
    language_model_needs,
    recurrent_needs,
    stack_length,
    stack_needs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.forms.source import Source


def check_language_model_sizes(source: Source, state: Mapping[str, Any]) -> None:
    """Refuse a language model that declares more than its file holds.

    Raises:
        SourceError: A size is no whole number, or larger than what is stored (R006).
    """
    check_sizes(source, state.get("state_dict"), language_model_needs(state, ""))


def check_tagger_sizes(source: Source, state: Mapping[str, Any]) -> None:
    """Refuse a tagger that declares more than its file holds.

    Embeddings that are objects, from a trusted checkpoint, already have their weights.

    Raises:
        SourceError: A size is no whole number, or larger than what is stored (R006).
    """
    stored = state.get("embeddings")
    if isinstance(stored, dict):
        check_sizes(source, state.get("state_dict"), _tagger_needs(state, stored))


def check_classifier_sizes(source: Source, state: Mapping[str, Any], stored: object) -> None:
    """Refuse a classifier of tokens or texts that declares more than its file holds.

    Args:
        source: The source, for problems.
        state: The checkpoint.
        stored: The embeddings in it; objects, from a trusted checkpoint, already have their weights.

    Raises:
        SourceError: A size is no whole number, or larger than what is stored (R006).
    """
    if isinstance(stored, dict):
        check_sizes(source, state.get("state_dict"), _classifier_needs(state, stored))


def _tagger_needs(state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
    """Yield the weights that `SequenceTagger` makes (sequence_tagger_model.py 96-182)."""
    yield from stack_needs(stored, "embeddings.")
    features = ("embedding_length", stack_length(stored))
    labels = ("labels", length_of(state.get("tag_dictionary")))
    if is_on(state.get("reproject_embeddings", True)):
        yield Need("embedding2nn.weight", (features, features))
    output: tuple[tuple[str, object], ...] = (features,)
    if is_on(state.get("use_rnn")):
        output = (("directions", 2), declared(state, "hidden_size"))
        yield from recurrent_needs("rnn", declared(state, "rnn_layers"), (features,), output)
    yield Need("linear.weight", (labels, *output))
    if is_on(state.get("use_crf")):
        old = "transitions" in state["state_dict"]  # the name until 0.11, which flair changes when it loads
        yield Need("transitions" if old else "crf.transitions", (labels, labels))


def _classifier_needs(state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
    """Yield the weights of `TokenClassifier` and `TextClassifier` (nn/model.py 590, embeddings/document.py 67-540)."""
    old = any(str(name).startswith("document_embeddings.") for name in state.get("state_dict") or ())
    prefix, cls = "document_embeddings." if old else "embeddings.", str(stored.get("__cls__", "")).rpartition(".")[2]
    words = stored.get("embeddings")
    size: tuple[tuple[str, object], ...]
    if cls == "DocumentLMEmbeddings":
        children = [child for child in stored["flair_embeddings"] if isinstance(child, dict)]
        for place, child in enumerate(children):
            yield from embedding_needs(child, f"{prefix}lm_embedding_{place}.")
        size = (("embedding_length", sum(map(embedding_length, children))),)
    elif cls.startswith("Document") and isinstance(words, dict):
        yield from stack_needs(words, f"{prefix}embeddings.")
        size = (("embedding_length", stack_length(words)),)
        if cls == "DocumentRNNEmbeddings":
            hidden, features = declared(stored, "hidden_size"), declared(stored, "reproject_words_dimension")
            features = features if features[1] is not None and is_on(stored.get("reproject_words")) else size[0]
            yield Need(f"{prefix}word_reprojection_map.weight", (features, size[0]))
            size = (("directions", 4), hidden) if is_on(stored.get("bidirectional")) else (hidden,)
            yield from recurrent_needs(f"{prefix}rnn", declared(stored, "rnn_layers"), (features,), (hidden,))
    else:
        yield from stack_needs(stored, prefix)
        size = (("embedding_length", stack_length(stored)),)
    yield Need("decoder.weight", (("labels", length_of(state.get("label_dictionary"))), *size))
