"""Emits the layers of a transformer encoder.

States are kept as `[pieces * subtokens, features]`, so that every linear layer is one `Gemm` that reads torch's own
weights, without a transposed copy of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter
    from assembler.weights.encoders import Activation, EncoderLayer, EncoderWeights, Normalisation
    from assembler.weights.layers import Linear

#: `LayerNormalization` came with opset 17.
_NORMALISATION = 17
#: What transformers adds to the score of a masked position (modeling_attn_mask_utils.py 198).
_MASKED = float(np.finfo(np.float32).min)


def emit_encoder(emit: Emitter, weights: EncoderWeights, subtokens: str, mask: str) -> str:
    """Emit an encoder.

    Args:
        emit: The emitter of the part.
        weights: The encoder.
        subtokens: int64 [pieces, subtokens].
        mask: int64 [pieces, subtokens], 1 where a subtoken is real and 0 after the end of a shorter piece.

    Returns:
        float32 [pieces, subtokens, features].
    """
    shape = emit.op("Shape", [subtokens], "shape")
    states = [_embedded(emit, weights, subtokens, shape)]
    bias = _attention_bias(emit, mask)
    for number, layer in enumerate(weights.layers):
        states.append(_layer(emit, layer, weights, (states[-1], bias, shape), f"layer_{number}"))
    return _grid(emit, _chosen(emit, weights, states), shape, -1, "states")


def _grid(emit: Emitter, tensor: str, shape: str, features: int, name: str) -> str:
    """Reshape rows to [pieces, subtokens, features] again."""
    full = emit.op("Concat", [shape, emit.integers(f"{name}/features", [features])], f"{name}/shape", axis=0)
    return emit.op("Reshape", [tensor, full], name)


def _embedded(emit: Emitter, weights: EncoderWeights, subtokens: str, shape: str) -> str:
    words = emit.op("Gather", [emit.initializer("words", weights.words), subtokens], "embedding/words", axis=0)
    table = emit.initializer("positions", weights.positions)
    numbers = _positions(emit, weights, subtokens, shape)
    positions = emit.op("Gather", [table, numbers], "embedding/positions", axis=0)
    added = emit.op("Add", [words, positions], "embedding/sum")
    flat = emit.op("Reshape", [added, emit.integers("flat", [-1, weights.words.shape[1]])], "embedding/rows")
    states = _normalised(emit, weights.embedding_norm, flat, "embedding/norm")
    return _linear(emit, weights.projection, states, "embedding/projection") if weights.projection else states


def _positions(emit: Emitter, weights: EncoderWeights, subtokens: str, shape: str) -> str:
    """Emit the row of each subtoken in the table of positions: int64 [subtokens], or [pieces, subtokens]."""
    if weights.padded_from is None:
        count = emit.op("Gather", [shape, emit.number("second", 1, "int64")], "position/count", axis=0)
        zero, one = emit.number("zero", 0, "int64"), emit.number("one", 1, "int64")
        return emit.op("Range", [zero, count, one], "position/range")
    # transformers' create_position_ids_from_input_ids: padding keeps the position of the padding id
    padding = emit.number("padding", weights.padded_from, "int64")
    same = emit.op("Equal", [subtokens, padding], "position/is_padding")
    real = emit.op("Cast", [emit.op("Not", [same], "position/is_real")], "position/real", to=7)
    counted = emit.op("CumSum", [real, emit.number("axis", 1, "int64")], "position/counted")
    return emit.op("Add", [emit.op("Mul", [counted, real], "position/masked"), padding], "position/numbers")


def _attention_bias(emit: Emitter, mask: str) -> str:
    """Emit what is added to the attention scores: float32 [pieces, 1, 1, subtokens], 0 or the lowest number."""
    real = emit.op("Cast", [mask], "mask/real", to=9)
    zero, lowest = emit.number("nothing", 0.0, "float32"), emit.number("masked", _MASKED, "float32")
    bias = emit.op("Where", [real, zero, lowest], "mask/bias")
    return emit.op("Unsqueeze", [bias, emit.integers("mask/axes", [1, 2])], "mask/heads")


def _layer(emit: Emitter, layer: EncoderLayer, weights: EncoderWeights, given: tuple[str, str, str], name: str) -> str:
    states, _, _ = given
    attended = _attention(emit, layer, weights, given, f"{name}/attention")
    added = emit.op("Add", [attended, states], f"{name}/attention/residual")
    states = _normalised(emit, layer.attention_norm, added, f"{name}/attention/norm")
    inner = _activated(emit, weights.activation, _linear(emit, layer.inner, states, f"{name}/inner"), name)
    outer = _linear(emit, layer.outer, inner, f"{name}/outer")
    added = emit.op("Add", [outer, states], f"{name}/residual")
    return _normalised(emit, layer.output_norm, added, f"{name}/norm")


def _attention(
    emit: Emitter, layer: EncoderLayer, weights: EncoderWeights, given: tuple[str, str, str], name: str
) -> str:
    states, bias, shape = given
    size = weights.width // weights.heads
    split = emit.op("Concat", [shape, emit.integers(f"{name}/heads", [weights.heads, size])], f"{name}/split", axis=0)

    def part(linear: Linear, what: str, order: list[int]) -> str:
        rows = emit.op("Reshape", [_linear(emit, linear, states, f"{name}/{what}"), split], f"{name}/{what}/split")
        return emit.op("Transpose", [rows], f"{name}/{what}/heads", perm=order)

    query, key = part(layer.query, "query", [0, 2, 1, 3]), part(layer.key, "key", [0, 2, 3, 1])
    value = part(layer.value, "value", [0, 2, 1, 3])
    scaled = emit.op("Mul", [query, emit.number(f"{name}/scale", 1 / math.sqrt(size), "float32")], f"{name}/scaled")
    scores = emit.op("Add", [emit.op("MatMul", [scaled, key], f"{name}/scores"), bias], f"{name}/masked")
    probabilities = emit.op("Softmax", [scores], f"{name}/probabilities", axis=-1)
    heads = emit.op("MatMul", [probabilities, value], f"{name}/context")
    back = emit.op("Transpose", [heads], f"{name}/together", perm=[0, 2, 1, 3])
    rows = emit.op("Reshape", [back, emit.integers(f"{name}/rows", [-1, weights.width])], f"{name}/joined")
    return _linear(emit, layer.attended, rows, f"{name}/output")


def _linear(emit: Emitter, linear: Linear, tensor: str, name: str) -> str:
    weight, bias = emit.initializer(f"{name}/weight", linear.weight), emit.initializer(f"{name}/bias", linear.bias)
    return emit.op("Gemm", [tensor, weight, bias], name, transB=1)


def _activated(emit: Emitter, activation: Activation, tensor: str, name: str) -> str:
    if activation == "relu":
        return emit.op("Relu", [tensor], f"{name}/relu")
    one, half = emit.number(f"{name}/one", 1.0, "float32"), emit.number(f"{name}/half", 0.5, "float32")
    if activation == "gelu":
        root = emit.op("Div", [tensor, emit.number(f"{name}/root", math.sqrt(2.0), "float32")], f"{name}/gelu/root")
        bent = emit.op("Erf", [root], f"{name}/gelu/erf")
    else:  # 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
        cube = emit.op("Pow", [tensor, emit.number(f"{name}/three", 3.0, "float32")], f"{name}/gelu/cube")
        weighed = emit.op("Mul", [cube, emit.number(f"{name}/cubic", 0.044715, "float32")], f"{name}/gelu/weighed")
        added = emit.op("Add", [tensor, weighed], f"{name}/gelu/added")
        factor = emit.number(f"{name}/factor", math.sqrt(2.0 / math.pi), "float32")
        bent = emit.op("Tanh", [emit.op("Mul", [added, factor], f"{name}/gelu/inner")], f"{name}/gelu/tanh")
    gate = emit.op("Add", [bent, one], f"{name}/gelu/gate")
    return emit.op("Mul", [emit.op("Mul", [tensor, gate], f"{name}/gelu/gated"), half], f"{name}/gelu")


def _normalised(emit: Emitter, norm: Normalisation, tensor: str, name: str) -> str:
    weight, bias = emit.initializer(f"{name}/weight", norm.weight), emit.initializer(f"{name}/bias", norm.bias)
    if emit.opset >= _NORMALISATION:
        return emit.op("LayerNormalization", [tensor, weight, bias], name, axis=-1, epsilon=norm.epsilon)
    mean = emit.op("ReduceMean", [tensor], f"{name}/mean", axes=[-1])
    centred = emit.op("Sub", [tensor, mean], f"{name}/centred")
    square = emit.op("Mul", [centred, centred], f"{name}/square")
    variance = emit.op("ReduceMean", [square], f"{name}/variance", axes=[-1])
    epsilon = emit.number(f"{name}/epsilon", norm.epsilon, "float32")
    deviation = emit.op("Sqrt", [emit.op("Add", [variance, epsilon], f"{name}/positive")], f"{name}/deviation")
    scaled = emit.op("Mul", [emit.op("Div", [centred, deviation], f"{name}/unit"), weight], f"{name}/scaled")
    return emit.op("Add", [scaled, bias], name)


def _chosen(emit: Emitter, weights: EncoderWeights, states: list[str]) -> str:
    """Emit the mean of the chosen layers, or all of them side by side (transformer.py 1386-1390)."""
    chosen = [states[number] for number in weights.chosen]
    if len(chosen) == 1:
        return chosen[0]
    if not weights.mean:
        return emit.op("Concat", chosen, "chosen", axis=-1)
    count = emit.number("chosen/count", float(len(chosen)), "float32")
    return emit.op("Div", [emit.op("Sum", chosen, "chosen/sum"), count], "chosen")
