"""What assembled models inside flair have in common: how they read flair's sentences, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from assembler.runtime import InContext, Token

if TYPE_CHECKING:
    from flair.data import Sentence

    from assembler.runtime import Interface


def placed(sentence: Sentence, interface: Interface) -> InContext:
    """Return a sentence with the context that flair uses: a dataset's, or its neighbours in this call."""
    length, boundaries = interface.context, interface.respects_documents
    left = sentence.left_context(length, boundaries) if length else []
    right = sentence.right_context(length, boundaries) if length else []
    context = (tuple(token.text for token in part) for part in (left, right))
    return InContext(tuple(Token(token.text, token.whitespace_after) for token in sentence.tokens), *context)


def refuse(asked: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse what needs the weights in torch.

    Raises:
        NotImplementedError: It is asked for.
    """
    if asked:
        message = f"an assembled model gives no {what.removeprefix('a ').removeprefix('the ')}"
        raise NotImplementedError(message)


class Settled(torch.nn.Module):
    """Refuses to set what an assembled model cannot follow: flair would, and silence would look like it."""

    #: What flair's own class has and an assembled model has settled.
    settled: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401 - torch's signature
        """Set an attribute.

        Raises:
            NotImplementedError: It is one that flair's class follows, and that is settled in an assembled model.
        """
        if name in self.settled and self.__dict__.get("_loaded", False):
            message = f"'{name}' cannot be set: it is settled in an assembled model; set it in flair and assemble again"
            raise NotImplementedError(message)
        super().__setattr__(name, value)
