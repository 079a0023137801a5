"""What passes need to know about a language model: the graph between character ids and the rows that are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from assembler.onnx_model.facts import LanguageModel
from assembler.onnx_model.graph_reader import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from assembler.onnx_model.graph_reader import Floats
    from assembler.passes.rewriting import Rewriting

#: The input of a shut gate: its sigmoid is below any rounding, and adding a real gate's input does not change it.
SHUT = -1e9
#: The gates that a reset shuts, in ONNX's order, in which those with a sigmoid come first: LSTM i o f c, GRU z r h.
_RESET = {"LSTM": (0, 2), "GRU": (0, 1)}
#: The operators allowed between the states and the `Gather` of rows: none that mixes positions.
_POSITIONWISE = frozenset({"Squeeze", "MatMul", "Add", "Reshape", "Identity"})


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModelNodes:
    """The operators and weights of a language model.

    Attributes:
        fact: The fact that its emitter recorded.
        ids: The character ids, int64 [characters, sentences]: an input of the model, or computed from a text in it.
        lengths: The characters of each text, int32 [sentences].
        in_lanes: Whether a host writes ids and picks rows, and so can put several texts into a column.
        cell: The cell.
        embedding: The `Gather` of embeddings.
        recurrent: The `LSTM` or `GRU`.
        squeeze: The `Squeeze` that removes the axis of directions from its states.
        table: float32 [vocabulary, embedding].
        input_weight: `W` in ONNX's gate order, float32 [gates * hidden, embedding].
        recurrent_weight: `R`, float32 [gates * hidden, hidden].
        input_bias: float32 [gates * hidden].
        recurrent_bias: float32 [gates * hidden].
    """

    fact: LanguageModel
    ids: str
    lengths: str
    in_lanes: bool
    cell: Literal["LSTM", "GRU"]
    embedding: onnx.NodeProto
    recurrent: onnx.NodeProto
    squeeze: onnx.NodeProto
    table: Floats
    input_weight: Floats
    recurrent_weight: Floats
    input_bias: Floats
    recurrent_bias: Floats

    @property
    def hidden_size(self) -> int:
        """The hidden states."""
        return self.recurrent_weight.shape[1]


def with_reset_row(table: Floats) -> Floats:
    """Return a table of embeddings with the reset character: one more row, and one more column that is 1 only there."""
    wider = np.zeros((len(table) + 1, table.shape[1] + 1), np.float32)
    wider[:-1, :-1] = table
    wider[-1, -1] = 1
    return wider


def reset_column(found: LanguageModelNodes, shut: float = SHUT) -> Floats:
    """Return the input weights with the column that the reset character reads.

    It shuts gates, and cancels the bias of a GRU's candidate: `n = tanh(0 + 0 (R h + b))`.
    """
    hidden = found.hidden_size
    column = np.zeros((len(found.input_weight), 1), np.float32)
    for gate in _RESET[found.cell]:
        column[gate * hidden : (gate + 1) * hidden] = shut
    if found.cell == "GRU":
        column[2 * hidden :, 0] = -found.input_bias[2 * hidden :]
    return np.concatenate([found.input_weight, column], axis=1)


def language_models(rewriting: Rewriting) -> Iterator[LanguageModelNodes]:
    """Yield each single-layer character LM whose states are consumed only through `Gather`.

    After a text's end the operator outputs zeros but a loop outputs states, so models that expose full states are
    skipped. If the graph itself computes ids from a text, it may pick any rows. Such a model is found only if the
    characters of each text are counted, so that the zeros can be restored.
    """
    for fact in rewriting.facts(LanguageModel):
        found = _nodes(rewriting, fact)
        alone = rewriting.only_consumer(found.recurrent.output[0]) is found.squeeze
        if (
            alone
            and (found.in_lanes or found.lengths)
            and _read_by_row(rewriting, fact.tensor, picked_by_host=found.in_lanes)
        ):
            yield found


def _nodes(rewriting: Rewriting, fact: LanguageModel) -> LanguageModelNodes:
    """Return the language model of a fact.

    Raises:
        LookupError: The fact is not true.
    """
    squeeze = rewriting.maker(fact)
    recurrent = rewriting.producer(squeeze.input[0])
    embedding = None if recurrent is None else rewriting.producer(recurrent.input[0])
    if recurrent is None or embedding is None:
        raise LookupError(fact)
    tensors = (embedding.input[0], *recurrent.input[1:4])
    table, inner, hidden, biases = (_floats(rewriting, fact, tensor) for tensor in tensors)
    return LanguageModelNodes(
        fact=fact,
        ids=embedding.input[1],
        lengths=next(iter(recurrent.input[4:5]), ""),
        in_lanes=embedding.input[1] in rewriting.inputs,
        cell="LSTM" if recurrent.op_type == "LSTM" else "GRU",
        embedding=embedding,
        recurrent=recurrent,
        squeeze=squeeze,
        table=table,
        input_weight=inner[0],
        recurrent_weight=hidden[0],
        input_bias=biases[0][: inner.shape[1]],
        recurrent_bias=biases[0][inner.shape[1] :],
    )


def _floats(rewriting: Rewriting, fact: LanguageModel, tensor: str) -> Floats:
    found = rewriting.floats(tensor)
    if found is None:
        raise LookupError(fact, tensor)
    return found


def _read_by_row(rewriting: Rewriting, tensor: str, *, picked_by_host: bool) -> bool:
    """Whether only rows are read of a tensor of states."""
    consumers = rewriting.consumers(tensor)
    if tensor in rewriting.outputs or not consumers:
        return False
    for node in consumers:
        if node.input[0] != tensor:
            return False
        if node.op_type == "Gather":
            if attribute(node, "axis", 0) != 0 or (picked_by_host and node.input[1] not in rewriting.inputs):
                return False
        elif node.op_type not in _POSITIONWISE or not _read_by_row(
            rewriting, node.output[0], picked_by_host=picked_by_host
        ):
            return False
    return True
