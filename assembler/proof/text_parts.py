"""The parts of a stack that read code points, and their cases, on which they are tried alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.proof.decoders import Case, Decoder, Tried
from assembler.proof.text_cases import character_cases, known, plain_cases, token_cases
from assembler.proof.word_cases import known_words, word_cases
from assembler.weights.language_models import CharacterWeights
from assembler.weights.tables import TableWeights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assembler.core.arrays import Array
    from assembler.wiring.graph import Wiring

_TOKENS = {
    "text": "the text with one space between tokens",
    "sizes": "the characters of that text",
    "starts": "where tokens start in it",
    "ends": "where tokens end in it",
    "counts": "the tokens of each text",
    "lengths": "the same, at least 1",
}
_CHARACTERS = {
    "characters": "the ids of characters, between the markers of the language model",
    "lengths": "the characters of each text, markers included",
}
_PLAIN = {
    "text": "the text with the spaces between its tokens",
    "sizes": "the characters of that text",
    "starts": "where tokens are counted to start in it",
    "ends": "where tokens are counted to end in it",
    "extents": "where the last token is counted to end",
}
_WORDS = {"words": "the row of a word: exact, in lower case, with digits as # and as 0"}


def text_decoder(wiring: Wiring, node: str, fed: Mapping[str, str]) -> Decoder | None:
    """Return a part that reads code points with its cases, or `None` for another part.

    Args:
        wiring: The wiring.
        node: The part.
        fed: For each of its input ports what feeds it.
    """
    ports = {port.name for port in wiring.outputs[node]}
    weights = wiring.views[node].weights
    if any(port.fill == "text" for port in wiring.inputs[node]):
        if ports == set(_TOKENS):
            return _tried(node, fed, _TOKENS, token_cases())
        return _tried(node, fed, _PLAIN, plain_cases()) if ports == set(_PLAIN) else None
    if isinstance(weights, TableWeights) and set(fed) == {"text", "sizes", "starts", "ends"}:
        return _tried(node, fed, _WORDS, word_cases(weights.words), {"words": known_words(weights.words)})
    if isinstance(weights, CharacterWeights) and {"text", "sizes"} <= set(fed):
        cases = character_cases(weights.characters, extended="extents" in fed)
        return _tried(node, fed, _CHARACTERS, cases, {"characters": known(weights.characters)})
    return None


def _tried(
    node: str,
    fed: Mapping[str, str],
    rules: Mapping[str, str],
    given: Iterable[tuple[Mapping[str, Array], Mapping[str, Array]]],
    met: Mapping[str, tuple[int, int]] | None = None,
) -> Decoder:
    cases = [Case(inputs, expected) for inputs, expected in given]
    return Decoder(Tried(node, sum(len(case.inputs["text"]) for case in cases), met or {}), fed, rules, cases)
