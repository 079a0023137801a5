"""How flair's own `predict` puts sentences into batches, and how its answers are kept.

ST is flair 0.15.1's models/sequence_tagger_model.py, NN its nn/model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flair.data import Sentence

from assembler.forms.opened import Tagged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def tagged(pairs: Sequence[tuple[str, float]]) -> Tagged:
    """Return the labels and scores of the tokens of a sentence."""
    return Tagged(tuple(label for label, _ in pairs), tuple(score for _, score in pairs))


def batches(sentences: Sequence[Sequence[str]], batch_size: int) -> Iterator[tuple[list[int], list[Sentence]]]:
    """Yield the numbers of the sentences of each batch, longest first, and the sentences. Empty ones are left out."""
    whole = [Sentence(list(tokens)) for tokens in sentences]
    Sentence.set_context_for_sentences(whole)  # as `predict` does (ST 487, NN 803): some encoders read the neighbours
    order = sorted((i for i in range(len(whole)) if len(whole[i])), key=lambda i: len(whole[i]), reverse=True)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield chosen, [whole[index] for index in chosen]
