"""Pass: a linear layer before a recurrent one becomes part of its input weights.

flair's `embedding2nn` (ST 161-163, 325) is linear and feeds a layer that begins with a linear map, so that `W (E x + e)
+ b = (W E) x + (W e + b)`. The product is computed in float64 and rounded once. ST is flair 0.15.1's
models/sequence_tagger_model.py.

Requires: a model with unique tensor names. Does: replaces `MatMul`, `Add`, `Transpose` before an `LSTM`, `GRU` or `RNN`
by the `Transpose` alone, if nothing else reads the tensors between them and the layer does not grow. Ensures: the same
results up to rounding; no initializer that nothing reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.onnx_model.graph_reader import attribute
from assembler.passes.recurrent_layers import recurrent_layers
from assembler.passes.rewriting import Rewriting, changed

if TYPE_CHECKING:
    import onnx

    from assembler.onnx_model.graph_reader import Floats
    from assembler.onnx_model.model import Model


def fold_reprojection(model: Model) -> Model:
    """Return the model with its reprojections folded."""
    rewriting = Rewriting(model)
    for recurrent in recurrent_layers(rewriting, "LSTM", "GRU", "RNN"):
        _fold(rewriting, recurrent)
    return rewriting.model()


def _fold(rewriting: Rewriting, recurrent: onnx.NodeProto) -> None:
    transpose = _before(rewriting, recurrent.input[0], "Transpose")
    add = _before(rewriting, transpose.input[0], "Add") if transpose else None
    product = _before(rewriting, add.input[0], "MatMul") if add else None
    if transpose is None or add is None or product is None:
        return
    weight, bias = rewriting.floats(product.input[1]), rewriting.floats(add.input[1])
    inner, outer = rewriting.floats(recurrent.input[1]), rewriting.floats(recurrent.input[3])
    if weight is None or bias is None or inner is None or outer is None:
        return
    if attribute(transpose, "perm") != [1, 0, 2] or (weight.ndim, bias.shape) != (2, inner.shape[2:]):
        return  # of another subgraph with the same operators
    gates, (before, after) = inner.size // inner.shape[2], weight.shape
    if gates * before > gates * after + weight.size:  # the model would grow
        return
    folded, biases = folded_weights(inner, outer, weight, bias)
    inputs = list(recurrent.input)
    for place, array in ((1, folded), (3, biases)):  # if several layers share weights, each gets its own
        inputs[place] = rewriting.add(rewriting.scope(f"{recurrent.input[place]}/folded"), array)
    rewriting.replace(recurrent, [changed(recurrent, inputs)])
    rewriting.replace(transpose, [changed(transpose, [product.input[0]])])


def _before(rewriting: Rewriting, tensor: str, op_type: str) -> onnx.NodeProto | None:
    """Return the operator after a tensor that nothing else reads, if it is of a type."""
    node = rewriting.producer(tensor)
    alone = rewriting.only_consumer(tensor) is not None
    return node if node is not None and node.op_type == op_type and alone else None


def folded_weights(inner: Floats, outer: Floats, weight: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Return the input weights and the biases of a layer that includes the linear map before it.

    Args:
        inner: `W` of ONNX's operator, float32 [directions, gates * hidden, out].
        outer: `B`, float32 [directions, 2 * gates * hidden]: the input's biases, then the recurrent ones.
        weight: The linear map's, float32 [in, out].
        bias: Its bias, float32 [out].
    """
    wide = inner.astype(np.float64)
    biases = outer.astype(np.float64)
    biases[:, : wide.shape[1]] += wide @ bias.astype(np.float64)
    # One direction after another, so that the float64 copy of a large layer need not exist twice.
    folded = np.stack([(part @ weight.astype(np.float64).T).astype(np.float32) for part in wide])
    return folded, biases.astype(np.float32)
