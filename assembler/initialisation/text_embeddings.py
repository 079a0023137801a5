"""The parts of a spec for the embeddings of a model that takes text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.initialisation.embeddings import Embedding, language_model_lines, table_lines
from assembler.parts.text_embedding import DIGEST
from assembler.weights.encoders import Encoder
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import PieceWeights, TableWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def text_parts(found: list[tuple[int, Weights]]) -> list[Embedding]:
    """Return the parts of embeddings, each given by its place, that take text."""
    models = [(place, each) for place, each in found if isinstance(each, CharLmWeights)]
    tables = [(place, each) for place, each in found if isinstance(each, TableWeights)]
    numbered = len({model.characters.direction for _, model in models}) < len(models)
    parts = [_language_model(place, model, str(place) if numbered else "") for place, model in models]
    parts += [_table(place, table, str(place) if len(tables) > 1 else "") for place, table in tables]
    return sorted(parts, key=lambda part: part.place)


def text_lines(found: Sequence[Weights | None]) -> list[str]:
    """Return the parts that read the text: the one that finds tokens, and one that keeps spaces if a model reads them.

    Args:
        found: The weights of all embeddings.
    """
    lines = [f"  {TOKENS}:", "    kind: text_tokens", "    inputs: {text: text}"]
    if all(each.characters.tokenized for each in found if isinstance(each, CharLmWeights)):
        return lines
    fed = ", ".join(["text: text", *(f"{port}: {TOKENS}.{port}" for port in ("starts", "ends", "lengths"))])
    return [
        *lines,
        f"  {PLAIN}:   # the text with the spaces between tokens",
        "    kind: text_plain",
        f"    inputs: {{{fed}}}",
    ]


def _language_model(place: int, model: CharLmWeights, number: str) -> Embedding:
    about, path = model.characters, f"tagger.embeddings.{place}"
    name = f"{about.direction}{number}"
    owner = TOKENS if about.tokenized else PLAIN
    read = ["text", "sizes", *([] if about.tokenized else ["extents"])]
    counted = [f"{port}: {owner}.{port}" for port in ("starts", "ends", "sizes")] + [f"counts: {TOKENS}.counts"]
    if about.lowercase and not about.tokenized:
        counted.append(f"read: {name}_characters.read")
    lines = [
        f"  {name}_characters:",
        "    kind: text_characters",
        f"    weights: {path}",
        f"    inputs: {{{', '.join(f'{port}: {owner}.{port}' for port in read)}}}",
        *language_model_lines(f"{name}_lm", model, path, f"{name}_characters.characters", f"{name}_characters.lengths"),
        f"  {name}_indices:",
        "    kind: text_indices",
        f"    weights: {path}",
        f"    inputs: {{{', '.join(counted)}}}",
        f"  {name}_words:",
        "    kind: gather",
        f"    inputs: {{states: {name}_lm.states, indices: {name}_indices.indices}}",
    ]
    return Embedding(place, {}, lines, f"{name}_words.rows")


def _table(place: int, table: TableWeights, number: str) -> Embedding:
    fed = ", ".join(f"{port}: {TOKENS}.{port}" for port in ("text", "sizes", "starts", "ends"))
    lines = table_lines(f"table{number}", table, "text_embedding", f"tagger.embeddings.{place}", fed)
    return Embedding(place, {}, lines, f"table{number}.rows")
