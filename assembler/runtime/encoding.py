"""Encodes sentences as the arrays of a model's inputs. A pure function: no session, no weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.runtime.context import InContext, in_context
from assembler.runtime.fill.batch import Batch
from assembler.runtime.prompting import prompted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.runtime.fill.rule import Encoded
    from assembler.runtime.interface import Interface


def encode(interface: Interface, sentences: Sequence[Sequence[str] | InContext]) -> dict[str, Encoded]:
    """Return the inputs of a model for one batch.

    The layouts are the contract with every host. With S sentences, T tokens in the longest of them and C characters in
    the longest text, markers counted:

    - characters `[C, S]`: start marker, tokens joined by one space, end marker; reversed by code point between the
      markers for a backward language model; shorter texts are padded at their end.
    - indices `[S * T]`: `position * S + sentence`, sentence-major; after a shorter sentence's end its position 0.
    - character lengths and token lengths `[S]`.
    - words `[S * T]`: the row of each token in its table, sentence-major; 0 after a shorter sentence's end.
    - subtokens and their mask `[P, L]`, with P pieces, one or several for each sentence, of up to L subtokens.
    - first and last subtokens `[S * T]`: `piece * L + position`, sentence-major; `P * L` where there is none.
    - subtoken words `[P, L]`: `sentence * T + position` of the token that a subtoken is a part of, or -1.
    - pieces `[S * T, 2]`: the rows of each token's first and last piece, sentence-major; 0 after a shorter sentence.
    - striping `[parts * S * T]`: each row of all parts in turn, `0, N, 1, N + 1, …` for two parts of `N = S * T` rows.
    - text `[S, C]`, int32: the code points of the tokens joined by one space, padded with 0.

    Positions count the characters of the original text, even if the language model reads it lowercased: one "İ" becomes
    two characters, and flair's positions after it are off by one (flair 0.15.1, embeddings/token.py 801 and 817). The
    runtime must compute the same as flair.

    A language model on untokenised text (`tokenized: false`) reads the spaces that follow the tokens (`Token.spaces`)
    instead of one each, without white space at the end of the sentence.

    Where the model has a prompt, its words are the first tokens of each sentence here.

    Args:
        interface: The model's interface.
        sentences: At least one, each with at least one token and without empty tokens. If an encoder also reads the
            neighbours of a sentence, those are its neighbours in this list, unless the sentence comes with its own
            context.

    Returns:
        A C-contiguous array for each input, int64 unless it says otherwise above, by the input's name, in the
        interface's order.

    Raises:
        ValueError: If there is no sentence, or a sentence without tokens or with an empty one; for a text also if a
            token holds a space.
        ModelError: M014 for an input that cannot be filled from text, M018 if its library is not installed, M019 for a
            sentence too long for an encoder.
    """
    given = _with_contexts(sentences, interface)
    return interface.filled(Batch([prompted(each, interface.prompt) for each in given]))


def _with_contexts(sentences: Sequence[Sequence[str] | InContext], interface: Interface) -> list[InContext]:
    given = [each.tokens if isinstance(each, InContext) else tuple(each) for each in sentences]
    found = in_context(given, interface.context, interface.prompt)
    return [each if isinstance(each, InContext) else around for each, around in zip(sentences, found, strict=True)]
