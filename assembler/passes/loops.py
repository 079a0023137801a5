"""Pass: a language model becomes a loop over its characters, which several sentences can share.

The body is a row of a table, one product with the recurrent weights, and the gates. The table holds `embedding @ W.T +
bias` of each character, computed in float64, so the input's product is gone. If the table would be large (a dictionary
of thousands of characters), the body multiplies the embedding instead. The weights are outside the loop, where ONNX
Runtime packs them once.

The table has one more row, the reset character: its input and forget gates are at minus a billion, so that `c = 0 c + 0
g` and `h = o tanh(0)`, and the text that follows in the lane begins anew. A GRU resets by `n = tanh(0 + 0 (R h + b))`
and `h = (1 - 0) n + 0 h`.

If the graph itself computes the ids of a text, no host packs lanes. Then the reset character comes after the end of
each text, so that the states are 0 there, like those of the operators.

Requires: language models of one layer whose states are only read by row, as `language_models` finds them. Does:
replaces `Gather`, `LSTM` or `GRU` and `Squeeze` by a `Scan`. Ensures: the same rows up to rounding, also for hosts that
do not use the reset character. If a host writes the ids, there are states after the end of a text instead of zeros. A
`Loop` is recorded for each, and a `Reset` if a host writes the ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.facts import Loop, Reset
from assembler.onnx_model.type_protos import element_number
from assembler.passes.cells import emit_gru, emit_lstm
from assembler.passes.language_model_nodes import SHUT, language_models, reset_column, with_reset_row
from assembler.passes.rewriting import Rewriting

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Body
    from assembler.onnx_model.graph_reader import Floats
    from assembler.onnx_model.model import Model
    from assembler.passes.language_model_nodes import LanguageModelNodes

_FLOAT32, _INT64 = "float32", "int64"


@dataclass(frozen=True, slots=True)
class LowerLanguageModels:
    """The pass.

    Attributes:
        least_hidden: Language models of fewer hidden states keep their operator. A step of a small one takes less time
            than ONNX Runtime needs to call a dozen operators.
        small_table: A table of at most this many bytes, or of a quarter of the recurrent weights, is worth its space.
        shut: The input of a gate that the reset character shuts.
    """

    least_hidden: int = 0
    small_table: int = 2**23
    shut: float = SHUT

    def __call__(self, model: Model) -> Model:
        """Return the model with its language models as loops."""
        rewriting = Rewriting(model)
        for found in [found for found in language_models(rewriting) if found.hidden_size >= self.least_hidden]:
            emit = Emitter({}, rewriting.opset)
            states = self._emit(emit, found, rewriting.scope(f"{found.fact.part}/loop"))
            emit.output(found.fact.tensor, states)
            emit.fact(Loop(states, len(found.table)))
            rewriting.retract(found.fact)
            rewriting.replace_by_fragment(found.squeeze, emit.fragment())
            if found.in_lanes:
                rewriting.record(Reset(found.ids, found.fact.part, len(found.table)))
        return rewriting.model()

    def _emit(self, emit: Emitter, found: LanguageModelNodes, name: str) -> str:
        """Emit the loop, and return its states, float32 [characters, lanes, hidden]."""
        hidden = found.hidden_size
        shape = emit.op("Shape", [found.ids], f"{name}/ids_shape")
        ids = found.ids if found.in_lanes else _emit_ended(emit, found, shape, f"{name}/ended")
        start = _emit_start(emit, shape, hidden, name)
        body = emit.body(name)
        before = body.argument("h", _FLOAT32, 2)
        cell = body.argument("c", _FLOAT32, 2) if found.cell == "LSTM" else None
        gates = self._emit_input(emit, body, found, body.argument("id", _INT64, 1))
        weight = emit.initializer(f"{name}/R", found.recurrent_weight.T)
        if cell is not None:
            after, cell = emit_lstm(emit, body, body.op("Gemm", [before, weight, gates], "product"), cell, hidden)
        else:
            bias = np.zeros(3 * hidden, np.float32)
            bias[2 * hidden :] = found.recurrent_bias[2 * hidden :]
            inputs = [before, weight, emit.initializer(f"{name}/candidate_bias", bias)]
            after = emit_gru(emit, body, (gates, body.op("Gemm", inputs, "product")), before, hidden)
        states = [after] if cell is None else [after, cell]
        for state in (*states, body.op("Identity", [after], "kept")):
            body.result(state, _FLOAT32, 2)
        return emit.scan(body, [start] * len(states), [ids], collected=[False])[-1]

    def _emit_input(self, emit: Emitter, body: Body, found: LanguageModelNodes, ids: str) -> str:
        """Emit the contribution of the characters of one position to the gates, float32 [lanes, gates * hidden]."""
        weight, bias = reset_column(found, self.shut), _input_bias(found)
        table = with_reset_row(found.table)
        size = len(table) * weight.shape[0] * table.itemsize
        if size <= max(self.small_table, found.recurrent_weight.nbytes // 4):
            # The product is computed in float64 and rounded once.
            folded = (table.astype(np.float64) @ weight.T.astype(np.float64) + bias).astype(np.float32)
            return body.op("Gather", [emit.initializer(f"{body.name}/table", folded), ids], "input", axis=0)
        embedded = body.op("Gather", [emit.initializer(f"{body.name}/embedding", table), ids], "embedded", axis=0)
        inputs = [embedded, emit.initializer(f"{body.name}/W", weight.T), emit.initializer(f"{body.name}/B", bias)]
        return body.op("Gemm", inputs, "input")


def _emit_start(emit: Emitter, shape: str, hidden: int, name: str) -> str:
    """Emit the first states, float32 [lanes, hidden]."""
    lanes = emit.op("Gather", [shape, emit.integers(f"{name}/lane_axis", [1])], f"{name}/lanes", axis=0)
    full = emit.op("Concat", [lanes, emit.integers(f"{name}/hidden", [hidden])], f"{name}/start_shape", axis=0)
    return emit.op("Expand", [emit.number(f"{name}/zero", 0.0, _FLOAT32), full], f"{name}/start")


def _emit_ended(emit: Emitter, found: LanguageModelNodes, shape: str, name: str) -> str:
    """Emit the ids with the reset character after the end of each text, int64 [characters, sentences]."""
    zero, one = emit.number(f"{name}/zero", 0, _INT64), emit.number(f"{name}/one", 1, _INT64)
    count = emit.op("Gather", [shape, zero], f"{name}/count", axis=0)
    positions = emit.op("Range", [zero, count, one], f"{name}/positions")
    column = emit.op("Unsqueeze", [positions, emit.integers(f"{name}/axis", [1])], f"{name}/column")
    lengths = emit.op("Cast", [found.lengths], f"{name}/lengths", to=element_number(_INT64))
    inside = emit.op("Less", [column, lengths], f"{name}/inside")
    reset = emit.number(f"{name}/reset", len(found.table), _INT64)
    return emit.op("Where", [inside, found.ids, reset], name)


def _input_bias(found: LanguageModelNodes) -> Floats:
    """Return the bias of the input's product: both biases, but for the GRU's candidate only the input's."""
    recurrent = found.recurrent_bias.copy()
    if found.cell == "GRU":
        recurrent[2 * found.hidden_size :] = 0
    return found.input_bias + recurrent
