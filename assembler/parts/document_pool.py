"""`document_pool`: one row for each sentence from its tokens' rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import SENTENCES, emit_grid, emit_pooled, token_dims

if TYPE_CHECKING:
    from assembler.core.tensors import Dim
    from assembler.onnx_model.emitter import Emitter

_POOLINGS = ("mean", "max", "min", "first", "last")


def ports(part: PartView) -> Ports:
    """Take rows of tokens and token counts; output rows of documents."""
    features = _features(part)
    return Ports(
        inputs=(
            Port("embeddings", TensorType("float32", token_dims(part, "embeddings", None))),
            Port("lengths", TensorType("int64", (SENTENCES,)), fill="token_lengths"),
        ),
        outputs=(Port("documents", TensorType("float32", (SENTENCES, features))),),
    )


def _features(part: PartView) -> Dim:
    dims = part.arriving("embeddings").dims
    return dims[-1] if dims else None


def build(part: PartView, emit: Emitter) -> None:
    """Emit the pooling over a sentence's own tokens (flair's embeddings/document.py 140-145, 505-520)."""
    features, lengths = _features(part), emit.input("lengths")
    grid = emit_grid(emit, emit.input("embeddings"), lengths, features if isinstance(features, int) else None)
    emit.output("documents", emit_pooled(emit, grid, lengths, str(part.parameters["pooling"])))


KIND = Kind(
    name="document_pool",
    summary="One row for each sentence from its tokens' rows: their mean, largest or smallest values (flair's "
    "DocumentPoolEmbeddings), or the first or last token's own (DocumentLMEmbeddings: the last of a forward language "
    "model, the first of a backward one).",
    ports=ports,
    build=build,
    parameters={
        "pooling": {
            "enum": list(_POOLINGS),
            "description": "How the tokens of a sentence are pooled.",
            "examples": ["mean"],
        }
    },
    required=("pooling",),
    example={
        "kind": "document_pool",
        "pooling": "mean",
        "inputs": {"embeddings": "words.rows", "lengths": "lengths"},
    },
)
