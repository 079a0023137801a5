"""Puts the prompt of a model before sentences, and leaves it out of their tags.

PT is flair 0.15.1's models/prefixed_tagger.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from assembler.runtime.token import Token, spaces_behind

if TYPE_CHECKING:
    from assembler.interface.prompts import Prompt
    from assembler.runtime.context import InContext
    from assembler.runtime.sentence import TaskTags


def prompted(sentence: InContext, prompt: Prompt) -> InContext:
    """Return a sentence behind a prompt. One without tokens stays as it is: no tag of it is wanted.

    flair makes a new sentence of the words (PT 121-126). So the spaces between them are those of a list of words, and
    what was between them in a text is forgotten; their places in it are kept.
    """
    if not prompt or not sentence.tokens:
        return sentence
    words = (*prompt.words, *map(str, sentence.tokens))
    spaces = spaces_behind(words)
    count = len(prompt.words)
    own = (
        Token(word, behind, token.place if isinstance(token, Token) else None)
        for word, behind, token in zip(words[count:], spaces[count:], sentence.tokens, strict=True)
    )
    whole = (*map(Token, prompt.words, spaces[:count]), *own)
    return replace(sentence, tokens=whole)


def without_prompt(tags: TaskTags, prompt: Prompt) -> TaskTags:
    """Return the tags of a sentence without those of its prompt.

    A span that begins in the prompt is left out, also where it reaches into the sentence (PT 170-172).
    """
    count = len(prompt.words)
    if not count or not tags.labels:
        return tags
    spans = (
        replace(span, start=span.start - count, end=span.end - count) for span in tags.spans if span.start >= count
    )
    return replace(
        tags,
        labels=tags.labels[count:],
        scores=tags.scores[count:],
        spans=tuple(spans),
        probabilities=tags.probabilities[count:],
        embeddings=None if tags.embeddings is None else tags.embeddings[count:],
    )
