"""The parts of a spec for the embeddings of a model that takes text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.initialisation.draft import Part
from assembler.initialisation.embeddings import (
    Embedding,
    language_model_part,
    language_models_of,
    table_part,
    those_of,
)
from assembler.parts.text_embedding import DIGEST
from assembler.weights.encoders import Encoder
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import PieceWeights, TableWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.initialisation.embeddings import Found
    from assembler.weights.protocol import Weights

#: The part that finds the tokens, and the one that keeps the spaces between them.
TOKENS, PLAIN = "tokens", "plain"


def why_not(weights: Weights | None) -> str | None:
    """Return why no standard operator can compute from text what an embedding reads, or `None` if some can."""
    if isinstance(weights, TableWeights):
        return DIGEST if weights.words.rule == "hash" else None
    if isinstance(weights, PieceWeights):
        return "reads pieces of words, which no standard operator finds: sentencepiece chooses the likeliest ones"
    if isinstance(weights, Encoder):
        return "reads subtokens, which no standard operator finds: a tokeniser of its own makes them"
    return None if isinstance(weights, CharLmWeights) else "reads what no standard operator computes from text"


def embedding_parts(found: list[Found[Weights]]) -> list[Embedding]:
    """Return the embeddings with their parts, which take text."""
    parts = [_language_model(each, number) for each, number in language_models_of(found)]
    parts += [_table(each, number) for each, number in those_of(found, TableWeights)]
    return sorted(parts, key=lambda part: part.place)


def text_parts(found: Sequence[Weights | None]) -> list[Part]:
    """Return the parts that read the text: the one that finds tokens, and one that keeps spaces if a model reads them.

    Args:
        found: The weights of all embeddings.
    """
    tokens = Part(TOKENS, "text_tokens", {"text": "text"})
    if all(each.characters.tokenized for each in found if isinstance(each, CharLmWeights)):
        return [tokens]
    fed = {"text": "text", **_ports(TOKENS, "starts", "ends", "lengths")}
    return [tokens, Part(PLAIN, "text_plain", fed, about="the text with the spaces between tokens")]


def _ports(node: str, *ports: str) -> dict[str, str]:
    return {port: f"{node}.{port}" for port in ports}


def _language_model(found: Found[CharLmWeights], number: str) -> Embedding:
    about, path = found.weights.characters, found.path
    name = f"{about.direction}{number}"
    lm, characters, indices, words = (f"{name}_{each}" for each in ("lm", "characters", "indices", "words"))
    owner = TOKENS if about.tokenized else PLAIN
    read = _ports(owner, "text", "sizes", *([] if about.tokenized else ["extents"]))
    counted = {**_ports(owner, "starts", "ends", "sizes"), **_ports(TOKENS, "counts")}
    if about.lowercase and not about.tokenized:
        counted |= _ports(characters, "read")
    parts = [
        Part(characters, "text_characters", read, path),
        language_model_part(lm, found.weights, path, f"{characters}.characters", f"{characters}.lengths"),
        Part(indices, "text_indices", counted, path),
        Part(words, "gather", {**_ports(lm, "states"), **_ports(indices, "indices")}),
    ]
    return Embedding(found.place, [], parts, f"{words}.rows")


def _table(found: Found[TableWeights], number: str) -> Embedding:
    fed = _ports(TOKENS, "text", "sizes", "starts", "ends")
    part = table_part(f"table{number}", found, "text_embedding", fed)
    return Embedding(found.place, [], [part], f"{part.name}.rows")
