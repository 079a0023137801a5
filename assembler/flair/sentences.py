"""How assembled models read what users of flair give to `predict`: sentences, lists, data sets, batches, generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flair.data import Sentence
from torch.utils.data import Dataset

from assembler.runtime import InContext, Token

if TYPE_CHECKING:
    from assembler.runtime import Interface


def sentences_of(given: object) -> list[Sentence]:
    """Return the sentences of an argument of `predict`.

    flair itself takes one sentence or a list; its SequenceTagger takes data sets too.

    Args:
        given: One sentence, or any iterable of sentences or of batches of them: a list, a data set of flair or torch, a
            `DataLoader`, a generator, which is read to its end.

    Raises:
        TypeError: It holds something else.
    """
    if isinstance(given, Sentence):
        return [given]
    if not isinstance(given, Iterable | Dataset) or isinstance(given, str):
        raise _no_sentence(given, "")
    found: list[Sentence] = []
    for place, each in enumerate(_items(given)):
        if isinstance(each, Sentence):
            found.append(each)
        elif isinstance(each, list | tuple):
            for one in each:
                if not isinstance(one, Sentence):
                    raise _no_sentence(one, f" in the batch {place}")
                found.append(one)
        else:
            raise _no_sentence(each, f" at place {place}")
    return found


def _items(given: Any) -> Iterator[object]:  # noqa: ANN401 - any kind of data set
    """Yield what an iterable holds; a data set of torch need not be one, and has indices then."""
    if isinstance(given, Dataset) and hasattr(given, "__len__") and not hasattr(given, "__iter__"):
        yield from (given[place] for place in range(len(given)))
    else:
        yield from given


def _no_sentence(found: object, where: str) -> TypeError:
    message = f"expected sentences of flair, got {type(found).__name__}{where}"
    return TypeError(f"{message}; write Sentence(text)" if isinstance(found, str) else message)


def placed(sentence: Sentence, interface: Interface) -> InContext:
    """Return a sentence with the context that flair uses: a dataset's, or its neighbours in this call."""
    length, boundaries = interface.context, interface.respects_documents
    left = sentence.left_context(length, boundaries) if length else []
    right = sentence.right_context(length, boundaries) if length else []
    context = (tuple(token.text for token in part) for part in (left, right))
    return InContext(tuple(Token(token.text, token.whitespace_after) for token in sentence.tokens), *context)
