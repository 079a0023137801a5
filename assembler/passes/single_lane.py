"""Pass: one sentence alone is read by ONNX Runtime's own int8 layer instead of a loop.

A loop calls a dozen operators for each character; with one row these take longer than the product, especially in small
language models. `DynamicQuantizeLSTM` is one operator for the whole text (docs/performance.md has both). It computes
its input's product in int8 as well, so its input is the character itself: 1 in the column of the character and 1/255 in
a second one. Quantised, these are 255 and 1 whatever the text, so two whole numbers `a` and `b` represent the
contribution of a character to a gate, as `255 a + b`: 16 bits, where the table of the loop has 32. No pair overflows:
255 * 127 + 127 < 2**15.

Requires: loops of LSTM language models with a table, as `loops` and `quantisation` leave them, whose states are read
only by row. Does: lets an `If` choose between the rows of the loop and those of the layer, which is used for one lane
without a reset character, because only the table has that character. Ensures: nearly the same rows; no weight is in the
file twice, because the loop's table is computed from the layer's numbers when the model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from assembler.onnx_model.facts import Loop
from assembler.passes.rewriting import MICROSOFT, Rewriting, changed

if TYPE_CHECKING:
    import onnx

    from assembler.core.arrays import Array
    from assembler.onnx_model.graph_reader import Floats
    from assembler.onnx_model.model import Model

_LEVELS = 127
#: The states of an LSTM's loop, and its inputs.
_LSTM_INPUTS = 3
#: The number 1 in 8 bits.
_WHOLE = 255


@dataclass(frozen=True, slots=True)
class ReadOneLaneApart:
    """The pass.

    Attributes:
        most_characters: Language models with more characters keep only the loop: the product of the input would cost
            more than is saved.
    """

    most_characters: int = 2**10

    def __call__(self, model: Model) -> Model:
        """Return the model with an operator for one lane beside each int8 loop."""
        rewriting = Rewriting(model)
        for fact in rewriting.facts(Loop):
            if fact.characters <= self.most_characters:
                _read_apart(rewriting, rewriting.maker(fact), fact.characters)
        return rewriting.model()


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """The layer that accompanies a loop.

    Attributes:
        name: The prefix of the names of all emitted tensors.
        characters: How many characters it knows.
        weights: Its inputs of `DynamicQuantizeLSTM` after the first.
        hidden: Its hidden states.
        first_axis: A tensor with the number of the first axis, int64 [1].
    """

    name: str
    characters: int
    weights: list[str]
    hidden: int
    first_axis: str


def in_two_halves(table: Floats) -> tuple[Array, Floats]:
    """Return the contributions of characters to the gates as whole numbers.

    Args:
        table: float32 [characters, gates].

    Returns:
        int8 [2 * characters, gates], `a` of all characters and then `b`, and the scale of each gate, float32 [gates]:
        the table is `(255 a + b) / 255 * scale`.
    """
    largest = np.abs(table).max(axis=0)
    least = _LEVELS * np.finfo(np.float32).tiny  # below, a scale would be no normal number
    scale = np.where(largest > least, largest / _LEVELS, 1).astype(np.float32)
    whole = np.rint(table.astype(np.float64) / scale * _WHOLE)
    first = np.clip(np.rint(whole / _WHOLE), -_LEVELS, _LEVELS)
    second = np.clip(whole - _WHOLE * first, -_LEVELS, _LEVELS)
    return np.concatenate([first, second]).astype(np.int8), scale


def _layer(rewriting: Rewriting, loop: onnx.NodeProto, characters: int) -> _Layer | None:
    """Return the layer, or `None` for a loop of another kind.

    The loop's own form of the recurrent weights is then computed when the model is loaded, and not kept in the file.
    """
    [body] = [entry.g for entry in loop.attribute if entry.HasField("g")]
    product = next((inner for inner in body.node if inner.op_type == "MatMulIntegerToFloat"), None)
    gather = next((inner for inner in body.node if inner.op_type == "Gather"), None)
    table = rewriting.floats(gather.input[0]) if gather is not None else None
    if (
        product is None
        or gather is None
        or table is None
        or len(loop.input) != _LSTM_INPUTS
        or len(table) != characters + 1
    ):
        return None
    weight, scale = rewriting.array(product.input[1]), rewriting.floats(product.input[3])
    if weight is None or scale is None or table.shape[1] != weight.shape[1]:
        return None
    name, add = rewriting.scope(f"{loop.name}/one"), rewriting.add
    values, input_scale = in_two_halves(table[:-1])
    recurrent = add(f"{name}/R", weight[np.newaxis])
    axis = add(f"{name}/first_axis", np.array([0]))
    squeezed = helper.make_node("Squeeze", [recurrent, axis], [product.input[1]], name=f"{name}/matrix")
    rewriting.compute(product.input[1], [squeezed])
    zero = add(f"{name}/zero", np.zeros((1, len(scale)), np.int8))
    first = add(f"{name}/W", values[np.newaxis])
    _give_table(rewriting, (name, axis), gather.input[0], (values, input_scale, table[-1:]))
    first_scale = add(f"{name}/W/scale", input_scale[np.newaxis])
    scales = add(f"{name}/R/scale", scale[np.newaxis])
    weights = [first, recurrent, *[""] * 5, first_scale, zero, scales, zero]
    return _Layer(name, characters, weights, len(weight), axis)


def _give_table(rewriting: Rewriting, where: tuple[str, str], table: str, parts: tuple[Array, Floats, Floats]) -> None:
    """Compute the table of the loop from the layer's whole numbers and the reset character's row, at each load."""
    (name, axis), (values, scale, reset) = where, parts
    node, array = helper.make_node, rewriting.add
    halves = array(f"{name}/halves", np.array([2, len(values) // 2, len(scale)]))
    worth = array(f"{name}/worth", np.array([[[1]], [[1 / _WHOLE]]], np.float32))
    scales = array(f"{name}/table/scale", scale)
    rest = array(f"{name}/table/reset", reset)
    cut, floats, weighed, summed, gates = (
        f"{name}/table/{step}" for step in ("halves", "floats", "worth", "sum", "gates")
    )
    rewriting.compute(
        table,
        [
            node("Reshape", [f"{name}/W", halves], [cut], name=cut),
            node("Cast", [cut], [floats], name=floats, to=TensorProto.FLOAT),
            node("Mul", [floats, worth], [weighed], name=weighed),
            node("ReduceSum", [weighed, axis], [summed], name=summed, keepdims=0),
            node("Mul", [summed, scales], [gates], name=gates),
            node("Concat", [gates, rest], [table], name=f"{name}/table", axis=0),
        ],
    )


def _read_apart(rewriting: Rewriting, loop: onnx.NodeProto, characters: int) -> None:
    """Put the rows that are read from a loop into one branch, and those of the layer into the other.

    The loop itself stays outside: ONNX Runtime does not pack weights that are read in a loop in a branch. If the branch
    is not taken, the loop reads one character.
    """
    flat = rewriting.only_consumer(loop.output[-1])
    read = rewriting.only_consumer(flat.output[0]) if flat is not None and flat.op_type == "Reshape" else None
    if flat is None or read is None or read.op_type != "Gather" or read.input[0] != flat.output[0]:
        return
    layer = _layer(rewriting, loop, characters)
    if layer is None:
        return
    name, ids, first = layer.name, loop.input[-1], layer.first_axis
    node = helper.make_node
    chosen = _choice(rewriting, layer, ids, (flat.input[1], read))
    one = rewriting.add(f"{name}/one", np.array([1]))
    before = [
        *_condition(rewriting, layer, ids, one),
        node("Gather", [f"{name}/shape", first], [f"{name}/positions"], name=f"{name}/positions"),
        node("Where", [f"{name}/both", one, f"{name}/positions"], [f"{name}/end"], name=f"{name}/end"),
        node("Slice", [ids, first, f"{name}/end", first], [f"{name}/ids"], name=f"{name}/ids"),
    ]
    picked = node("Where", [f"{name}/both", first, read.input[1]], [f"{name}/rows"], name=f"{name}/rows")
    short = changed(loop, [*loop.input[:-1], f"{name}/ids"])
    looped = changed(read, [read.input[0], f"{name}/rows"])
    looped.output[0] = f"{name}/looped"
    rewriting.replace(loop, [*before, short])
    rewriting.replace(read, [picked, looped, chosen], domain=MICROSOFT)


def _choice(rewriting: Rewriting, layer: _Layer, ids: str, rows: tuple[str, onnx.NodeProto]) -> onnx.NodeProto:
    """Return the `If` that outputs the rows: those of the layer, or those that were read from the loop.

    Args:
        rewriting: The model.
        layer: The layer.
        ids: The characters.
        rows: The `Reshape` of the states before rows are picked, and the `Gather` that picks them.
    """
    (shape, read), name, node = rows, layer.name, helper.make_node
    then = [
        *_given(rewriting, layer, ids),
        node(
            "DynamicQuantizeLSTM",
            [f"{name}/characters", *layer.weights],
            [f"{name}/states"],
            name=f"{name}/layer",
            domain=MICROSOFT,
            hidden_size=layer.hidden,
        ),
        node("Reshape", [f"{name}/states", shape], [f"{name}/by_row"], name=f"{name}/by_row"),
        node("Gather", [f"{name}/by_row", read.input[1]], [f"{name}/read"], name=f"{name}/read", axis=0),
    ]
    otherwise = [node("Identity", [f"{name}/looped"], [f"{name}/kept"], name=f"{name}/kept")]
    return node(
        "If",
        [f"{name}/alone"],
        [read.output[0]],
        name=f"{name}/if",
        then_branch=_branch(f"{name}/then", then, f"{name}/read"),
        else_branch=_branch(f"{name}/else", otherwise, f"{name}/kept"),
    )


def _condition(rewriting: Rewriting, layer: _Layer, ids: str, one: str) -> list[onnx.NodeProto]:
    """Return the condition, as bool [1] `both` and as a scalar `alone`: one lane, and no reset character in it."""
    name, node = layer.name, helper.make_node
    lane_axis = rewriting.add(f"{name}/axis", np.array([1]))
    reset = rewriting.add(f"{name}/reset", np.array([layer.characters]))
    every = rewriting.add(f"{name}/every", np.array([-1]))
    scalar = rewriting.add(f"{name}/scalar", np.zeros(0, np.int64))
    return [
        node("Shape", [ids], [f"{name}/shape"], name=f"{name}/shape"),
        node("Gather", [f"{name}/shape", lane_axis], [f"{name}/lanes"], name=f"{name}/lanes"),
        node("Equal", [f"{name}/lanes", one], [f"{name}/single"], name=f"{name}/single"),
        node("Reshape", [ids, every], [f"{name}/flat"], name=f"{name}/flat"),
        node("Equal", [f"{name}/flat", reset], [f"{name}/resets"], name=f"{name}/resets"),
        node("Cast", [f"{name}/resets"], [f"{name}/counted"], name=f"{name}/counted", to=TensorProto.INT64),
        node("ReduceSum", [f"{name}/counted"], [f"{name}/count"], name=f"{name}/count", keepdims=1),
        node("Less", [f"{name}/count", one], [f"{name}/none"], name=f"{name}/none"),
        node("And", [f"{name}/single", f"{name}/none"], [f"{name}/both"], name=f"{name}/both"),
        node("Reshape", [f"{name}/both", scalar], [f"{name}/alone"], name=f"{name}/alone"),
    ]


def _given(rewriting: Rewriting, layer: _Layer, ids: str) -> list[onnx.NodeProto]:
    """Return the operators that compute the layer's input, float32 [characters, 1, 2 * known characters]."""
    name = layer.name
    depth = rewriting.add(f"{name}/depth", np.array([layer.characters]))
    values = rewriting.add(f"{name}/values", np.array([0, 1], np.float32))
    small = rewriting.add(f"{name}/small", np.array(1 / _WHOLE, np.float32))
    hot, second = f"{name}/hot", f"{name}/second"
    return [
        helper.make_node("OneHot", [ids, depth, values], [hot], name=hot),
        helper.make_node("Mul", [hot, small], [second], name=second),
        helper.make_node("Concat", [hot, second], [f"{name}/characters"], name=f"{name}/characters", axis=2),
    ]


def _branch(name: str, nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
    """Return a branch, which reads what it needs from outside."""
    states = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, None])
    return helper.make_graph(nodes, name, [], [states])
