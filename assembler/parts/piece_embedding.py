"""`piece_embedding`: the rows of a token's first and last word piece, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE
from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_ROWS = Variable("rows")


def ports(part: PartView) -> Ports:
    """Take two row numbers for each token; output one row."""
    return Ports(
        inputs=(Port("pieces", TensorType("int64", (_ROWS, 2)), fill="pieces"),),
        outputs=(Port("rows", TensorType("float32", (_ROWS, part.fact("embedding_size")))),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Gather both rows, and append the second to the first."""
    from assembler.weights.tables import PieceWeights

    weights = part.weights
    if not isinstance(weights, PieceWeights):
        raise TypeError(weights)
    table = emit.initializer("table", weights.table)
    pairs = emit.op("Gather", [table, emit.input("pieces")], "gather", axis=0)
    shape = emit.integers("flat_shape", [-1, 2 * weights.table.shape[1]])
    emit.output("rows", emit.op("Reshape", [pairs, shape], "join"))


KIND = Kind(
    name="piece_embedding",
    summary="A table of word pieces (flair's BytePairEmbeddings): for each token the rows of its first and its last "
    "piece, side by side. The sentencepiece model that splits the tokens is in the model's metadata.",
    ports=ports,
    build=build,
    parameters={
        "embedding_size": {
            "type": "integer",
            "minimum": 2,
            "maximum": LARGEST_SIZE,
            "description": "The features of both rows together, so that `check` can compare sizes without the "
            "weights. Loaded weights of another size are an error.",
            "examples": [100],
        }
    },
    weights=True,
    takes="piece_embedding",
    example={"kind": "piece_embedding", "weights": "tagger.embeddings.0", "inputs": {"pieces": "pieceIndices"}},
)
