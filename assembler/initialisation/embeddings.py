"""The parts of a spec for a tagger's embeddings: language models and tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assembler.weights.encoders import Encoder, ExportedEncoder
from assembler.weights.fingerprint import fingerprint
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import PieceWeights, TableWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.weights.protocol import Weights


#: Above this many words, the spec has a hint on cutting the table.
_MANY = 100_000


@dataclass(frozen=True, slots=True)
class Embedding:
    """One embedding of a tagger, as written in the spec.

    Attributes:
        place: Its place in the tagger's stack.
        inputs: The shape of each input that it needs.
        lines: Its parts.
        rows: The tensor that has a row for each token.
    """

    place: int
    inputs: dict[str, str]
    lines: list[str]
    rows: str


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The embeddings of one or several models.

    Attributes:
        parts: Each once, even if several models have the same.
        orders: For each model, by its name in the spec, its embeddings in the order in which flair joins them.
    """

    parts: list[Embedding]
    orders: dict[str, list[Embedding]]

    def of(self, model: FlairSource) -> list[Embedding]:
        """Return the embeddings of a model in the order in which flair joins them."""
        return self.orders[model.prefix]


def embeddings(
    models: Sequence[FlairSource], written: Callable[[list[tuple[int, Weights]]], list[Embedding]] | None = None
) -> Embeddings:
    """Name the embeddings: by the usual names for a pair of both directions, by numbers if these are needed.

    Args:
        models: The models.
        written: Writes the parts of embeddings, given by their places; by default those that a host feeds with indices.
    """
    found: list[Weights] = []
    paths: list[str] = []
    places: dict[str, list[int]] = {}
    known: dict[str, int] = {}
    for model in models:
        own = []
        for place in range(len(model.embeddings)):
            path = f"{model.prefix}.embeddings.{place}"
            weights = model.weights(path)
            if weights is None:
                raise TypeError(path)
            mark = fingerprint(weights) if len(models) > 1 else path
            if mark not in known:
                known[mark] = len(found)
                found.append(weights)
                paths.append(path)
            own.append(known[mark])
        places[model.prefix] = [own[place] for place in model.order()]
    parts = [_with_path(part, paths[part.place]) for part in (written or _named)(list(enumerate(found)))]
    return Embeddings(parts, {prefix: [parts[place] for place in own] for prefix, own in places.items()})


def _with_path(part: Embedding, path: str) -> Embedding:
    """Return a part with the path of its weights, instead of its number among the parts of all models."""
    return replace(part, lines=[line.replace(_weights(part.place), f"weights: {path}") for line in part.lines])


def _weights(place: int) -> str:
    return f"weights: tagger.embeddings.{place}"


def _named(found: list[tuple[int, Weights]]) -> list[Embedding]:
    models = [(place, each) for place, each in found if isinstance(each, CharLmWeights)]
    tables = [(place, each) for place, each in found if isinstance(each, TableWeights)]
    encoders = [(place, each) for place, each in found if isinstance(each, Encoder)]
    directions = [each.characters.direction for _, each in models]
    numbered = len(set(directions)) < len(directions)
    texts = {(each.characters.start_marker, each.characters.lowercase, each.characters.tokenized) for _, each in models}
    embeddings = [
        _language_model(place, each, str(place) if numbered else "", shared=len(texts) == 1) for place, each in models
    ]
    pieces = [(place, each) for place, each in found if isinstance(each, PieceWeights)]
    embeddings += [_pieces(place, each, str(place) if len(pieces) > 1 else "") for place, each in pieces]
    embeddings += [_table(place, each, str(place) if len(tables) > 1 else "") for place, each in tables]
    embeddings += [_encoder(place, each, str(place) if len(encoders) > 1 else "") for place, each in encoders]
    return sorted(embeddings, key=lambda embedding: embedding.place)


def _language_model(place: int, weights: CharLmWeights, number: str, *, shared: bool) -> Embedding:
    """Name a language model. Texts that differ in their markers differ in length, and have their own lengths."""
    base = f"{weights.characters.direction}{number}"
    node, words, indices = f"{base}_lm", f"{base}_words", f"{base}Indices"
    lengths = "characterLengths" if shared else f"{base}CharacterLengths"
    characters = "characters" if shared else f"{base}_characters"
    lines = language_model_lines(node, weights, f"tagger.embeddings.{place}", base, lengths)
    lines += [f"  {words}:", "    kind: gather", f"    inputs: {{states: {node}.states, indices: {indices}}}"]
    inputs = {base: f"[{characters}, sentences]", indices: "[total_tokens]", lengths: "[sentences]"}
    return Embedding(place, inputs, lines, f"{words}.rows")


def _table(place: int, weights: TableWeights, number: str) -> Embedding:
    node, words = f"table{number}", f"wordIndices{number}"
    lines = table_lines(node, weights, "embedding", f"tagger.embeddings.{place}", f"words: {words}")
    return Embedding(place, {words: "[total_tokens]"}, lines, f"{node}.rows")


def _pieces(place: int, weights: PieceWeights, number: str) -> Embedding:
    node, pieces = f"pieces{number}", f"pieceIndices{number}"
    rows, features = weights.table.shape
    lines = [
        f"  {node}:   # {rows} rows of {features}, two for each token",
        "    kind: piece_embedding",
        f"    weights: tagger.embeddings.{place}",
        f"    inputs: {{pieces: {pieces}}}",
    ]
    return Embedding(place, {pieces: "[total_tokens, 2]"}, lines, f"{node}.rows")


def _encoder(place: int, weights: Encoder, number: str) -> Embedding:
    """Name an encoder and the pooling of its subtokens. Each has its own inputs, because tokenisers differ.

    An encoder of documents reads one piece of each sentence.
    """
    node, rows = f"encoder{number}", "sentences" if weights.documents else f"pieces{number}"
    shape = f"[{rows}, subtokens{number}]"
    inputs = {f"subtokens{number}": shape, f"subtokenMask{number}": shape}
    lines = [
        f"  {node}:   # {_layers(weights)}, {weights.width} features, {weights.vocabulary} subtokens",
        "    kind: transformer",
        f"    weights: tagger.embeddings.{place}",
        f"    inputs: {{subtokens: subtokens{number}, mask: subtokenMask{number}}}",
    ]
    if weights.documents:
        pooled = f"{node}_document"
        lines += [
            f"  {pooled}:   # {weights.documents.pooling}",
            "    kind: subtoken_document",
            f"    weights: tagger.embeddings.{place}",
            f"    inputs: {{states: {node}.states, subtokens: subtokens{number}}}",
        ]
        return Embedding(place, inputs, lines, f"{pooled}.documents")
    words, fed = f"{node}_words", {"states": f"{node}.states"}
    if weights.pooling == "mean":
        inputs[f"subtokenWords{number}"] = shape
        fed.update({"words": f"subtokenWords{number}", "lengths": "lengths"})
    else:
        for end in weights.pooling.split("_"):
            inputs[f"{end}Subtokens{number}"] = "[total_tokens]"
            fed[end] = f"{end}Subtokens{number}"
    lines += [
        f"  {words}:",
        "    kind: subtoken_pooling",
        f"    pooling: {weights.pooling}",
        f"    inputs: {{{', '.join(f'{port}: {tensor}' for port, tensor in fed.items())}}}",
    ]
    return Embedding(place, inputs, lines, f"{words}.rows")


def _layers(weights: Encoder) -> str:
    """Return how many layers there are and which are output; those after the last of these are left out."""
    count, chosen = weights.depth, weights.chosen
    given = f"the layers {', '.join(map(str, chosen))} given{' as their mean' if weights.mean else ''}"
    if len(chosen) == 1:
        given = "the last one given" if chosen[0] == count > 0 else f"the layer {chosen[0]} given"
    make = f"{weights.architecture}, exported by torch, " if isinstance(weights, ExportedEncoder) else ""
    return f"{make}{count} layer{'s' if count != 1 else ''}, {given}"


def language_model_lines(node: str, weights: CharLmWeights, path: str, characters: str, lengths: str) -> list[str]:
    """Return the part of a language model, with a comment on it for readers."""
    recurrent = weights.recurrent
    layers = "" if len(recurrent.layers) == 1 else f"{len(recurrent.layers)} layers of "
    size = f"{layers}{recurrent.cell}({recurrent.hidden_size})"
    about = weights.characters
    return [
        f"  {node}:   # {size}, {len(about.dictionary)} characters, {about.direction}",
        "    kind: char_lm",
        f"    weights: {path}",
        f"    inputs: {{characters: {characters}, lengths: {lengths}}}",
    ]


def table_lines(node: str, weights: TableWeights, kind: str, path: str, fed: str) -> list[str]:
    """Return the part of a table of words, with a hint on cutting a long one."""
    rows, features = weights.table.shape
    lines = [f"  {node}:   # {rows} rows of {features}", f"    kind: {kind}", f"    weights: {path}"]
    lines += [f"    inputs: {{{fed}}}"]
    if rows > _MANY:
        lines += [f"    # keep_first: {_MANY}   # a smaller model: the other words are dropped, as its proof then says"]
    return lines
