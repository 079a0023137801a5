"""One step of a recurrent cell, as passes write it into the body of a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Body, Emitter


def emit_lstm(emit: Emitter, body: Body, gates: str, cell: str, hidden: int) -> tuple[str, str]:
    """Emit one step of an LSTM.

    Args:
        emit: The emitter of the loop.
        body: The loop's body.
        gates: The input of the gates, recurrent product included, float32 [..., 4 * hidden] in ONNX's order.
        cell: The cell's states before the step, float32 [..., hidden].
        hidden: The hidden states.

    Returns:
        The hidden states and the cell's after the step.
    """
    parts = emit.integers(f"{body.name}/sigmoid_and_tanh", [3 * hidden, hidden])
    open_, candidate = body.ops("Split", [gates, parts], "gates", 2, axis=-1)
    equal = emit.integers(f"{body.name}/each_gate", [hidden] * 3)
    inwards, outwards, forget = body.ops("Split", [body.op("Sigmoid", [open_], "open"), equal], "each", 3, axis=-1)
    added = body.op("Mul", [inwards, body.op("Tanh", [candidate], "candidate")], "added")
    after = body.op("Add", [body.op("Mul", [forget, cell], "left"), added], "cell")
    return body.op("Mul", [outwards, body.op("Tanh", [after], "squashed")], "hidden"), after


def emit_gru(emit: Emitter, body: Body, gates: tuple[str, str], before: str, hidden: int) -> str:
    """Emit one step of a GRU. torch's reset gate multiplies after the recurrent product.

    Args:
        emit: The emitter of the loop.
        body: The loop's body.
        gates: The input's and the recurrent product's contributions to the gates, float32 [..., 3 * hidden] each.
        before: The hidden states before the step, float32 [..., hidden].
        hidden: The hidden states.

    Returns:
        The hidden states after the step.
    """
    given, product = gates
    parts = emit.integers(f"{body.name}/sigmoid_and_tanh", [2 * hidden, hidden])
    given_open, given_candidate = body.ops("Split", [given, parts], "given", 2, axis=-1)
    own_open, own_candidate = body.ops("Split", [product, parts], "own", 2, axis=-1)
    open_ = body.op("Sigmoid", [body.op("Add", [given_open, own_open], "sum")], "open")
    equal = emit.integers(f"{body.name}/each_gate", [hidden] * 2)
    update, reset = body.ops("Split", [open_, equal], "each", 2, axis=-1)
    seen = body.op("Mul", [reset, own_candidate], "seen")
    candidate = body.op("Tanh", [body.op("Add", [given_candidate, seen], "candidate_sum")], "candidate")
    kept = body.op("Mul", [update, body.op("Sub", [before, candidate], "difference")], "part_kept")
    return body.op("Add", [candidate, kept], "hidden")
