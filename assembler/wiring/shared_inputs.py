"""Finds inputs that the parts which share them would want filled in two ways: a host fills each input once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.problems import Problem
from assembler.weights.decisions import decisions_of, label_pairs_of, prompt_of
from assembler.weights.encoders import Encoder
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import PieceWeights, TableWeights
from assembler.wiring.fills import fills

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.interface.language_model_inputs import Characters
    from assembler.wiring.fills import Fill
    from assembler.wiring.graph import Wiring

#: What decides how characters are written, and how their lengths.
_CHARACTERS = ("direction", "dictionary", "start_marker", "lowercase", "padding", "with_whitespace", "tokenized")
_LENGTHS = ("start_marker", "end_marker", "lowercase", "tokenized")
_APART = "give each an input of its own"


def shared_input_problems(wiring: Wiring) -> list[Problem]:
    """Return a problem (W013) for each input that would have to be filled in two ways.

    Args:
        wiring: The wiring, with the weights of the parts: they say how they are fed.
    """
    problems: list[Problem] = []
    for name, fill in fills(wiring).items():
        problems += _models_apart(wiring, name, fill)
        problems += _vocabularies_apart(wiring, name, fill)
        problems += _tokenizers_apart(wiring, name, fill)
    return [*problems, *_documents_apart(wiring), *_prompts_apart(wiring)]


def _models_apart(wiring: Wiring, name: str, fill: Fill) -> Iterator[Problem]:
    """Report an input that two language models share and would want filled differently."""
    given = {node: wiring.views[node].weights for node in fill.subjects}
    shared = [(node, each.characters) for node, each in given.items() if isinstance(each, CharLmWeights)]
    is_length = fill.rule == "character_lengths"
    for model, characters in shared[1:]:
        first, reference = shared[0]
        if not (_same_lengths if is_length else _same_characters)(characters, reference):
            message = f"the input '{name}' feeds '{first}' and '{model}', which want it filled differently"
            hint = f"they differ in one of: {', '.join(_LENGTHS if is_length else _CHARACTERS)}; {_APART}"
            yield Problem.at(wiring.spec.inputs[name].mark, "W013", message, hint)


def _same_characters(characters: Characters, reference: Characters) -> bool:
    return all(getattr(characters, key) == getattr(reference, key) for key in _CHARACTERS)


def _same_lengths(characters: Characters, reference: Characters) -> bool:
    read = all(getattr(characters, key) == getattr(reference, key) for key in ("lowercase", "tokenized"))
    return read and (
        characters.start_marker == reference.start_marker
        # lower-casing can lengthen a marker
        or (not characters.lowercase and len(characters.start_marker) == len(reference.start_marker))
    )


def _vocabularies_apart(wiring: Wiring, name: str, fill: Fill) -> Iterator[Problem]:
    """Report an input that two tables with different vocabularies share."""
    given = [wiring.views[table].weights for table in fill.subjects]
    shared = [weights.words for weights in given if isinstance(weights, TableWeights | PieceWeights)]
    if any(words != shared[0] for words in shared[1:]):
        yield _apart(wiring, name, fill.subjects, "vocabularies")


def _tokenizers_apart(wiring: Wiring, name: str, fill: Fill) -> Iterator[Problem]:
    """Report an input that two encoders with different tokenisers share."""
    given = [wiring.views[node].weights for node in fill.subjects]
    shared = [weights.subtokens for weights in given if isinstance(weights, Encoder)]
    if any(subtokens != shared[0] for subtokens in shared[1:]):
        yield _apart(wiring, name, fill.subjects, "tokenisers")


def _apart(wiring: Wiring, name: str, subjects: Sequence[str], what: str) -> Problem:
    message = f"the input '{name}' feeds {' and '.join(map(repr, subjects))}, which have different {what}"
    return Problem.at(wiring.spec.inputs[name].mark, "W013", message, _APART)


def _documents_apart(wiring: Wiring) -> Iterator[Problem]:
    """Report encoders of which one reads across the ends of documents and another does not: the context is one."""
    reading = {
        name: weights.subtokens.documents
        for name, view in wiring.views.items()
        if isinstance(weights := view.weights, Encoder) and weights.subtokens.context
    }
    if len(set(reading.values())) > 1:
        first, second = (next(name for name, ends in reading.items() if ends is wanted) for wanted in (True, False))
        message = f"'{first}' reads no further than its document, '{second}' does (respect_document_boundaries)"
        yield Problem.at(wiring.spec.graph[second].mark, "W013", message, "assemble them in two files")


def _prompts_apart(wiring: Wiring) -> Iterator[Problem]:
    """Report heads of which one reads sentences behind another prompt than the first: all read the same sentences."""
    found = [
        (name, each) for name, view in wiring.views.items() if view.weights and (each := decisions_of(view.weights))
    ]
    for name, decisions in found[1:]:
        asked = next((each for each, own in found if label_pairs_of(own) is not None), None)
        if asked is not None:
            message = f"'{asked}' reads a label beside each text, and other heads would read that text too"
            yield Problem.at(wiring.spec.graph[name].mark, "W013", message, "assemble them in two files")
            return
        first, own = prompt_of(found[0][1]), prompt_of(decisions)
        if own != first:
            read = [f"behind '{' '.join(each.words)}'" if each else "without a prompt" for each in (first, own)]
            message = f"'{found[0][0]}' reads sentences {read[0]}, '{name}' reads them {read[1]}"
            yield Problem.at(wiring.spec.graph[name].mark, "W013", message, "assemble them in two files")
            return
