"""`document_pool`: one row for each sentence from its tokens' rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import SENTENCES, emit_first, emit_grid, emit_last, token_dims

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
    pooling = part.parameters["pooling"]
    if pooling == "first":
        result = emit_first(emit, grid)
    elif pooling == "last":
        result = emit_last(emit, grid, lengths)
    elif pooling == "mean":
        total = emit.op("ReduceSum", [_masked(emit, grid, lengths, 0.0), emit.integers("axis", [1])], "sum", keepdims=0)
        count = emit.op("Unsqueeze", [emit.op("Cast", [lengths], "count", to=1), emit.integers("by", [1])], "counts")
        result = emit.op("Div", [total, count], "mean")
    elif pooling == "max":
        result = emit.reduce_max(_masked(emit, grid, lengths, float("-inf")), 1, "max")
    else:
        turned = emit.op("Neg", [_masked(emit, grid, lengths, float("inf"))], "turned")
        result = emit.op("Neg", [emit.reduce_max(turned, 1, "max")], "min")
    emit.output("documents", result)


def _masked(emit: Emitter, grid: str, lengths: str, other: float) -> str:
    """Emit the grid with another value after each sentence's end."""
    shape = emit.op("Shape", [grid], "grid_shape")
    tokens = emit.op("Gather", [shape, emit.number("token_dim", 1, "int64")], "tokens", axis=0)
    steps = emit.op("Range", [emit.number("from", 0, "int64"), tokens, emit.number("step", 1, "int64")], "positions")
    counts = emit.op("Unsqueeze", [lengths, emit.integers("count_axis", [1])], "counts_of_tokens")
    inside = emit.op("Less", [steps, counts], "inside")
    mask = emit.op("Unsqueeze", [inside, emit.integers("feature_axis", [2])], "mask")
    return emit.op("Where", [mask, grid, emit.number("other", other, "float32")], "masked")


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
