"""Pass: one sentence alone is read by ONNX Runtime's own int8 layer instead of a loop.

A loop calls a dozen operators for each character; with one row these take longer than the product, most of all in small
language models. `DynamicQuantizeLSTM` is one operator for the whole text (docs/performance.md has both). It computes
its input's product in int8 as well, so what it is given is the character itself: 1 in the column of the character and
1/255 in a second one. Quantised, these are 255 and 1 whatever the text, so that two whole numbers `a` and `b` stand for
what a character gives to a gate, as `255 a + b`: 16 bits, where the table of the loop has 32. No pair overflows:
255 * 127 + 127 < 2**15.

Requires: loops of LSTM language models with a table, as `loops` and `quantisation` leave them, whose states are read by
row alone. Does: lets an `If` choose between the rows of the loop and those of the layer, which is taken for one lane
without a reset character: only the table knows that. Ensures: nearly the same rows; no weight stands in the file
twice: the loop's table is made of the layer's numbers where the model is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from assembler.passes.rewriting import MICROSOFT, Rewriting, changed

if TYPE_CHECKING:
    import onnx

    from assembler.core.arrays import Array
    from assembler.onnx_model.model import Model
    from assembler.passes.rewriting import Floats

#: More characters make the product of the input larger than what is saved.
_MOST_CHARACTERS = 2**10
_LEVELS = 127
#: The states of an LSTM's loop, and what it reads.
_LSTM_INPUTS = 3
#: What a whole 1 is in 8 bits.
_WHOLE = 255


def read_one_lane_apart(model: Model) -> Model:
    """Return the model with an operator for one lane beside each int8 loop."""
    rewriting = Rewriting(model)
    for node in rewriting.nodes("Scan"):
        if model.loops.get(node.name, _MOST_CHARACTERS + 1) <= _MOST_CHARACTERS:
            _read_apart(rewriting, node, model.loops[node.name])
    return rewriting.model()


def in_two_halves(table: Floats) -> tuple[Array, Floats]:
    """Return what characters give to the gates as whole numbers.

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


def _layer(rewriting: Rewriting, loop: onnx.NodeProto, characters: int, name: str) -> list[str] | None:
    """Return the weights of the layer, as inputs of `DynamicQuantizeLSTM`; `None` for a loop of another kind.

    The loop's own form of the recurrent weights is then made when the model is loaded, not kept in the file.
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
    values, input_scale = in_two_halves(table[:-1])
    recurrent = rewriting.set_array(f"{name}/R", weight[np.newaxis])
    axis = rewriting.set_array(f"{name}/first_axis", np.array([0]))
    squeezed = helper.make_node("Squeeze", [recurrent, axis], [product.input[1]], name=f"{name}/matrix")
    rewriting.give(product.input[1], squeezed)
    zero = rewriting.set_array(f"{name}/zero", np.zeros((1, len(scale)), np.int8))
    first = rewriting.set_array(f"{name}/W", values[np.newaxis])
    _give_table(rewriting, name, gather.input[0], (values, input_scale, table[-1:]))
    first_scale = rewriting.set_array(f"{name}/W/scale", input_scale[np.newaxis])
    scales = rewriting.set_array(f"{name}/R/scale", scale[np.newaxis])
    return [first, recurrent, *[""] * 5, first_scale, zero, scales, zero]


def _give_table(rewriting: Rewriting, name: str, table: str, parts: tuple[Array, Floats, Floats]) -> None:
    """Let the table of the loop be made of the layer's whole numbers and the reset character's row, at each load."""
    values, scale, reset = parts
    node, array = helper.make_node, rewriting.set_array
    halves = array(f"{name}/halves", np.array([2, len(values) // 2, len(scale)]))
    worth = array(f"{name}/worth", np.array([[[1]], [[1 / _WHOLE]]], np.float32))
    axis, scales = array(f"{name}/first_axis", np.array([0])), array(f"{name}/table/scale", scale)
    rest = array(f"{name}/table/reset", reset)
    steps = [
        node("Reshape", [f"{name}/W", halves], [f"{name}/table/halves"], name=f"{name}/table/halves"),
        node(
            "Cast",
            [f"{name}/table/halves"],
            [f"{name}/table/floats"],
            name=f"{name}/table/floats",
            to=TensorProto.FLOAT,
        ),
        node("Mul", [f"{name}/table/floats", worth], [f"{name}/table/worth"], name=f"{name}/table/worth"),
        node("ReduceSum", [f"{name}/table/worth", axis], [f"{name}/table/sum"], name=f"{name}/table/sum", keepdims=0),
        node("Mul", [f"{name}/table/sum", scales], [f"{name}/table/gates"], name=f"{name}/table/gates"),
        node("Concat", [f"{name}/table/gates", rest], [table], name=f"{name}/table", axis=0),
    ]
    for step in reversed(steps):
        rewriting.give(step.output[0], step)


def _read_apart(rewriting: Rewriting, loop: onnx.NodeProto, characters: int) -> None:
    """Put the rows that are read of a loop into one branch, and those of the layer into the other.

    The loop itself stays outside: ONNX Runtime packs no weights that are read in a loop in a branch. Where the branch
    is not taken it reads one character.
    """
    flat = rewriting.only_consumer(loop.output[-1])
    read = rewriting.only_consumer(flat.output[0]) if flat is not None and flat.op_type == "Reshape" else None
    if flat is None or read is None or read.op_type != "Gather" or read.input[0] != flat.output[0]:
        return
    name = rewriting.fresh(f"{loop.name}/one")
    layer = _layer(rewriting, loop, characters, name)
    if layer is None:
        return
    ids, rows = loop.input[-1], read.output[0]
    node, array = helper.make_node, rewriting.set_array
    hidden = len(next(found for found in (rewriting.array(layer[1]),) if found is not None)[0])
    then = [
        *_given(rewriting, name, ids, characters),
        node(
            "DynamicQuantizeLSTM",
            [f"{name}/characters", *layer],
            [f"{name}/states"],
            name=f"{name}/layer",
            domain=MICROSOFT,
            hidden_size=hidden,
        ),
        node("Reshape", [f"{name}/states", flat.input[1]], [f"{name}/by_row"], name=f"{name}/by_row"),
        node("Gather", [f"{name}/by_row", read.input[1]], [f"{name}/read"], name=f"{name}/read", axis=0),
    ]
    otherwise = [node("Identity", [f"{name}/looped"], [f"{name}/kept"], name=f"{name}/kept")]
    chosen = node(
        "If",
        [f"{name}/alone"],
        [rows],
        name=f"{name}/if",
        then_branch=_branch(f"{name}/then", then, f"{name}/read"),
        else_branch=_branch(f"{name}/else", otherwise, f"{name}/kept"),
    )
    one, first = array(f"{name}/one", np.array([1])), array(f"{name}/first_axis", np.array([0]))
    before = [
        *_condition(rewriting, name, ids, characters),
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


def _condition(rewriting: Rewriting, name: str, ids: str, characters: int) -> list[onnx.NodeProto]:
    """Return what decides, as bool [1] `both` and as a scalar `alone`: one lane, and no reset character in it."""
    one, lane_axis = (
        rewriting.set_array(f"{name}/one", np.array([1])),
        rewriting.set_array(f"{name}/axis", np.array([1])),
    )
    reset = rewriting.set_array(f"{name}/reset", np.array([characters]))
    every = rewriting.set_array(f"{name}/every", np.array([-1]))
    scalar = rewriting.set_array(f"{name}/scalar", np.zeros(0, np.int64))
    node = helper.make_node
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


def _given(rewriting: Rewriting, name: str, ids: str, characters: int) -> list[onnx.NodeProto]:
    """Return what gives the layer its input, float32 [characters, 1, 2 * known characters]."""
    depth = rewriting.set_array(f"{name}/depth", np.array([characters]))
    values = rewriting.set_array(f"{name}/values", np.array([0, 1], np.float32))
    small = rewriting.set_array(f"{name}/small", np.array(1 / _WHOLE, np.float32))
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
