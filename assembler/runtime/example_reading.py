"""Makes what a model reads of examples: sentences in their context, joined texts, or several sentences together.

DA is flair 0.15.1's data.py, PC its models/pairwise_classification_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.interface.prompts import NO_PROMPT
from assembler.runtime.context import InContext, Together, in_context
from assembler.runtime.token import without_empty
from assembler.runtime.tokenization import split_at_spaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from assembler.interface.examples import Example, Texts
    from assembler.interface.prompts import Prompt
    from assembler.runtime.context import Readable


def placed(examples: Iterable[Example], texts: Texts, context: int, prompt: Prompt = NO_PROMPT) -> Iterator[Readable]:
    """Yield what a model reads of each example.

    Args:
        examples: The examples, each with as many texts as the task reads.
        texts: What the examples of the task consist of.
        context: As for `in_context`. Texts that belong together have no other neighbours, in flair either.
        prompt: As for `in_context`.
    """
    if texts.count == 1:
        yield from in_context((without_empty(example.texts[0]) for example in examples), context, prompt)
        return
    for example in examples:
        own = [without_empty(text) for text in example.texts]
        if texts.separator is not None:
            yield InContext(joined(own, texts.separator))
        else:
            yield Together(tuple(map(InContext, own)))


def joined(texts: Sequence[Sequence[str]], separator: str) -> tuple[str, ...]:
    """Return the tokens of several texts as one, as flair's classifiers of pairs join them (PC 87-100).

    They make a text of the tokens, which `Sentence` cleans and splits at spaces (DA 852-882): so some characters are
    removed, and a token that holds a space becomes two. Without a token in any text there is no separator either: flair
    passes over such an example.
    """
    if not any(texts):
        return ()
    return split_at_spaces(separator.join(" ".join(text) for text in texts))
