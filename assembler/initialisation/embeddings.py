"""The parts of a spec for a tagger's embeddings: language models and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from assembler.initialisation.draft import Input, Part
from assembler.weights.encoders import Encoder, ExportedEncoder
from assembler.weights.fingerprint import fingerprint
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import PieceWeights, TableWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.weights.protocol import Weights

Of_co = TypeVar("Of_co", covariant=True)
Sort = TypeVar("Sort")

#: Above this many words, the spec has a hint on cutting the table.
_MANY = 100_000
_TOKENS = ("total_tokens",)


@dataclass(frozen=True, slots=True, eq=False)
class Found(Generic[Of_co]):
    """The weights of an embedding.

    Attributes:
        place: Its number among those of all models.
        path: Where the weights are.
        weights: The weights.
    """

    place: int
    path: str
    weights: Of_co


@dataclass(frozen=True, slots=True)
class Embedding:
    """One embedding of a tagger, as written in the spec.

    Attributes:
        place: Its place in the tagger's stack.
        inputs: The inputs that it needs.
        parts: Its parts.
        rows: The tensor that has a row for each token.
    """

    place: int
    inputs: list[Input]
    parts: list[Part]
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
    models: Sequence[FlairSource], written: Callable[[list[Found[Weights]]], list[Embedding]] | None = None
) -> Embeddings:
    """Name the embeddings: by the usual names for a pair of both directions, by numbers if these are needed.

    Args:
        models: The models.
        written: Makes the parts of the embeddings; by default those that a host feeds with indices.
    """
    found: list[Found[Weights]] = []
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
                found.append(Found(len(found), path, weights))
            own.append(known[mark])
        places[model.prefix] = [own[place] for place in model.order()]
    parts = (written or _named)(found)
    return Embeddings(parts, {prefix: [parts[place] for place in own] for prefix, own in places.items()})


def those_of(found: Sequence[Found[Weights]], sort: type[Sort]) -> list[tuple[Found[Sort], str]]:
    """Return the embeddings of one sort, each with its number, or with nothing if it is the only one."""
    chosen = [Found(each.place, each.path, each.weights) for each in found if isinstance(each.weights, sort)]
    return [(each, str(each.place) if len(chosen) > 1 else "") for each in chosen]


def language_models_of(found: Sequence[Found[Weights]]) -> list[tuple[Found[CharLmWeights], str]]:
    """Return the language models, each with its number, or with nothing if its direction is enough."""
    models = [each for each, _ in those_of(found, CharLmWeights)]
    numbered = len({each.weights.characters.direction for each in models}) < len(models)
    return [(each, str(each.place) if numbered else "") for each in models]


def _named(found: list[Found[Weights]]) -> list[Embedding]:
    models = language_models_of(found)
    about = [each.weights.characters for each, _ in models]
    texts = {(each.start_marker, each.lowercase, each.tokenized) for each in about}
    embeddings = [_language_model(each, number, shared=len(texts) == 1) for each, number in models]
    embeddings += [_pieces(each, number) for each, number in those_of(found, PieceWeights)]
    embeddings += [_table(each, number) for each, number in those_of(found, TableWeights)]
    encoders = those_of(found, Encoder)  # type: ignore[type-abstract] # a protocol
    embeddings += [_encoder(each, number) for each, number in encoders]
    return sorted(embeddings, key=lambda embedding: embedding.place)


def _language_model(found: Found[CharLmWeights], number: str, *, shared: bool) -> Embedding:
    """Name a language model. Texts that differ in their markers differ in length, and have their own lengths."""
    base = f"{found.weights.characters.direction}{number}"
    node, words, indices = f"{base}_lm", f"{base}_words", f"{base}Indices"
    lengths = "characterLengths" if shared else f"{base}CharacterLengths"
    characters = "characters" if shared else f"{base}_characters"
    parts = [
        language_model_part(node, found.weights, found.path, base, lengths),
        Part(words, "gather", {"states": f"{node}.states", "indices": indices}),
    ]
    inputs = [Input(base, (characters, "sentences")), Input(indices, _TOKENS), Input(lengths, ("sentences",))]
    return Embedding(found.place, inputs, parts, f"{words}.rows")


def _table(found: Found[TableWeights], number: str) -> Embedding:
    node, words = f"table{number}", f"wordIndices{number}"
    part = table_part(node, found, "embedding", {"words": words})
    return Embedding(found.place, [Input(words, _TOKENS)], [part], f"{node}.rows")


def _pieces(found: Found[PieceWeights], number: str) -> Embedding:
    node, pieces = f"pieces{number}", f"pieceIndices{number}"
    rows, features = found.weights.table.shape
    about = f"{rows} rows of {features}, two for each token"
    part = Part(node, "piece_embedding", {"pieces": pieces}, found.path, about=about)
    return Embedding(found.place, [Input(pieces, (*_TOKENS, 2))], [part], f"{node}.rows")


def _encoder(found: Found[Encoder], number: str) -> Embedding:
    """Name an encoder and the pooling of its subtokens. Each has its own inputs, because tokenisers differ.

    An encoder of documents reads one piece of each sentence.
    """
    weights, node = found.weights, f"encoder{number}"
    subtokens, mask = f"subtokens{number}", f"subtokenMask{number}"
    dims = ("sentences" if weights.documents else f"pieces{number}", subtokens)
    inputs = [Input(subtokens, dims), Input(mask, dims)]
    about = f"{_layers(weights)}, {weights.width} features, {weights.vocabulary} subtokens"
    encoder = Part(node, "transformer", {"subtokens": subtokens, "mask": mask}, found.path, about=about)
    fed = {"states": f"{node}.states"}
    if weights.documents:
        fed["subtokens"] = subtokens
        pooled = Part(f"{node}_document", "subtoken_document", fed, found.path, about=str(weights.documents.pooling))
        return Embedding(found.place, inputs, [encoder, pooled], f"{pooled.name}.documents")
    if weights.pooling == "mean":
        inputs.append(Input(f"subtokenWords{number}", dims))
        fed |= {"words": f"subtokenWords{number}", "lengths": "lengths"}
    else:
        for end in weights.pooling.split("_"):
            inputs.append(Input(f"{end}Subtokens{number}", _TOKENS))
            fed[end] = f"{end}Subtokens{number}"
    words = Part(f"{node}_words", "subtoken_pooling", fed, parameters={"pooling": weights.pooling})
    return Embedding(found.place, inputs, [encoder, words], f"{words.name}.rows")


def _layers(weights: Encoder) -> str:
    """Return how many layers there are and which are output; those after the last of these are left out."""
    count, chosen = weights.depth, weights.chosen
    given = f"the layers {', '.join(map(str, chosen))} given{' as their mean' if weights.mean else ''}"
    if len(chosen) == 1:
        given = "the last one given" if chosen[0] == count > 0 else f"the layer {chosen[0]} given"
    make = f"{weights.architecture}, exported by torch, " if isinstance(weights, ExportedEncoder) else ""
    return f"{make}{count} layer{'s' if count != 1 else ''}, {given}"


def language_model_part(node: str, weights: CharLmWeights, path: str, characters: str, lengths: str) -> Part:
    """Return the part of a language model, with a comment on it for readers."""
    recurrent, about = weights.recurrent, weights.characters
    layers = "" if len(recurrent.layers) == 1 else f"{len(recurrent.layers)} layers of "
    size = f"{layers}{recurrent.cell}({recurrent.hidden_size})"
    described = f"{size}, {len(about.dictionary)} characters, {about.direction}"
    return Part(node, "char_lm", {"characters": characters, "lengths": lengths}, path, about=described)


def table_part(node: str, found: Found[TableWeights], kind: str, fed: Mapping[str, str]) -> Part:
    """Return the part of a table of words, with a hint on cutting a long one."""
    rows, features = found.weights.table.shape
    cut = f"keep_first: {_MANY}   # a smaller model: the other words are dropped, as its proof then says"
    option = cut if rows > _MANY else ""
    return Part(node, kind, fed, found.path, about=f"{rows} rows of {features}", option=option)
