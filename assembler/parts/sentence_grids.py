"""Emits operators that parts on whole sentences share: rows as a grid of sentences, and one token of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import Variable

if TYPE_CHECKING:
    from assembler.core.tensors import Dim
    from assembler.onnx_model.emitter import Emitter
    from assembler.parts.kind import PartView

PADDED_RANK = 3
SENTENCES, TOKENS, ROWS = Variable("sentences"), Variable("tokens"), Variable("rows")


def token_dims(part: PartView, port: str, features: int | None) -> tuple[Dim, ...]:
    """Return the dims of tokens: one row a token, or already padded to [sentences, tokens, features]."""
    if part.arriving(port).rank == PADDED_RANK:
        return (SENTENCES, TOKENS, features)
    return (ROWS, features)


def emit_grid(emit: Emitter, tensor: str, lengths: str, features: int | None) -> str:
    """Emit tokens as [sentences, tokens, features], from rows or from such a grid.

    Args:
        emit: The emitter of the part.
        tensor: [rows, features], sentence-major, or the grid itself.
        lengths: int64 [sentences].
        features: The features, or `None` if they are known only at run time.
    """
    sentences = emit.op("Shape", [lengths], "sentences")
    if features is not None:
        parts = [sentences, emit.integers("tokens_and_features", [-1, features])]
    else:
        last = emit.op("Gather", [emit.op("Shape", [tensor], "shape"), emit.integers("last", [-1])], "size", axis=0)
        parts = [sentences, emit.integers("any_tokens", [-1]), last]
    return emit.op("Reshape", [tensor, emit.op("Concat", parts, "padded_shape", axis=0)], "padded")


def emit_last(emit: Emitter, grid: str, lengths: str) -> str:
    """Emit the last token of each sentence: [sentences, features]."""
    end = emit.op("Sub", [lengths, emit.number("one", 1, "int64")], "end")
    place = emit.op("Unsqueeze", [end, emit.integers("token_axis", [1])], "end_row")
    return emit.op("GatherND", [grid, place], "last_token", batch_dims=1)


def emit_first(emit: Emitter, grid: str) -> str:
    """Emit the first token of each sentence: [sentences, features]."""
    return emit.op("Gather", [grid, emit.number("zero", 0, "int64")], "first_token", axis=1)


def emit_pooled(emit: Emitter, grid: str, lengths: str, pooling: str) -> str:
    """Emit one row for each sentence from its own tokens: [sentences, features].

    Args:
        emit: The emitter of the part.
        grid: [sentences, tokens, features].
        lengths: int64 [sentences].
        pooling: `first`, `last`, `mean`, `max` or `min`.
    """
    if pooling == "first":
        return emit_first(emit, grid)
    if pooling == "last":
        return emit_last(emit, grid, lengths)
    if pooling == "mean":
        total = emit.op("ReduceSum", [_masked(emit, grid, lengths, 0.0), emit.integers("axis", [1])], "sum", keepdims=0)
        count = emit.op("Unsqueeze", [emit.op("Cast", [lengths], "count", to=1), emit.integers("by", [1])], "counts")
        return emit.op("Div", [total, count], "mean")
    if pooling == "max":
        return emit.reduce_max(_masked(emit, grid, lengths, float("-inf")), 1, "max")
    turned = emit.op("Neg", [_masked(emit, grid, lengths, float("inf"))], "turned")
    return emit.op("Neg", [emit.reduce_max(turned, 1, "max")], "min")


def _masked(emit: Emitter, grid: str, lengths: str, other: float) -> str:
    """Emit the grid with another value after each sentence's end."""
    shape = emit.op("Shape", [grid], "grid_shape")
    tokens = emit.op("Gather", [shape, emit.number("token_dim", 1, "int64")], "tokens", axis=0)
    steps = emit.op("Range", [emit.number("from", 0, "int64"), tokens, emit.number("step", 1, "int64")], "positions")
    counts = emit.op("Unsqueeze", [lengths, emit.integers("count_axis", [1])], "counts_of_tokens")
    inside = emit.op("Less", [steps, counts], "inside")
    mask = emit.op("Unsqueeze", [inside, emit.integers("feature_axis", [2])], "mask")
    return emit.op("Where", [mask, grid, emit.number("other", other, "float32")], "masked")
