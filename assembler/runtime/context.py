"""Sentences with the tokens of their neighbours, which some encoders read with them (FLERT).

DA is flair 0.15.1's data.py.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from assembler.interface.prompts import NO_PROMPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from assembler.interface.prompts import Prompt

    Tokens = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InContext:
    """A sentence, and the tokens around it.

    Attributes:
        tokens: The tokens of the sentence.
        left: Tokens before it, the nearest last.
        right: Tokens after it, the nearest first.
    """

    tokens: tuple[str, ...]
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[InContext, ...]:
        """The sentences that a model is fed for it: itself, or none if it has no tokens."""
        return (self,) if self.tokens else ()


@dataclass(frozen=True, slots=True)
class Together:
    """Several sentences of one example, each of which is embedded alone.

    Attributes:
        texts: The sentences.
    """

    texts: tuple[InContext, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Their tokens, one sentence after another."""
        return tuple(token for text in self.texts for token in text.tokens)

    @property
    def sentences(self) -> tuple[InContext, ...]:
        """The sentences that a model is fed for it: none if one has no tokens, which no model can embed."""
        return self.texts if all(text.tokens for text in self.texts) else ()


#: What a run labels as one.
Readable: TypeAlias = InContext | Together


def in_context(sentences: Iterable[Tokens], length: int, prompt: Prompt = NO_PROMPT) -> Iterator[InContext]:
    """Yield each sentence with up to `length` tokens of its neighbours on each side (DA 960-985).

    Sentences without tokens are skipped. Only as many sentences are read ahead as fill the context of the next result.

    Args:
        sentences: The sentences.
        length: The most tokens on each side.
        prompt: What is put before each: neighbours are read with it, also those without tokens of their own.
    """
    if length == 0:
        yield from map(InContext, sentences)
        return
    left: deque[str] = deque(maxlen=length)
    ahead: deque[Tokens] = deque()
    waiting = 0
    source = iter(sentences)
    while True:
        while waiting < length + (len(ahead[0]) if ahead else 1) and (following := next(source, None)) is not None:
            ahead.append((*prompt.words, *following))
            waiting += len(ahead[-1])
        if not ahead:
            return
        tokens = ahead.popleft()
        waiting -= len(tokens)
        yield InContext(tokens[len(prompt.words) :], tuple(left), _first(ahead, length))
        left.extend(tokens)


def _first(sentences: Iterable[Sequence[str]], length: int) -> Tokens:
    taken: list[str] = []
    for tokens in sentences:
        taken.extend(tokens[: length - len(taken)])
        if len(taken) == length:
            break
    return tuple(taken)
