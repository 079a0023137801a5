"""Pass: the head's recurrent layer projects only the tokens, and runs both directions in one loop.

A batch of sentences is padded to the longest, and ONNX's `LSTM` projects each padded place as well (of 128 sentences of
GSD-dev, 1,926 tokens are in 4,736 places). Here the rows of real tokens are taken out first, projected in one product,
and put back as gates. The places after a sentence get gates that reset the states (`SHUT`, see `language_models`), so
that these stay 0 and the reverse direction begins at each sentence's own end. The reverse direction's gates are in
reverse order, so that one loop with one batched product runs both.

Requires: an `LSTM` like torch's with token counts, over `Transpose`d rows with more features than there are hidden
states; narrower layers keep the operator. Does: replaces it and reads from before the `Transpose`. A `Projection` is
recorded for each. Ensures: the same states up to rounding, zeros after a sentence included; counts that do not fit
fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.facts import Projection
from assembler.onnx_model.graph_reader import attribute
from assembler.onnx_model.type_protos import element_number
from assembler.passes.cells import emit_lstm
from assembler.passes.language_model_nodes import SHUT
from assembler.passes.recurrent_layers import recurrent_layers
from assembler.passes.rewriting import Rewriting

if TYPE_CHECKING:
    import onnx

    from assembler.onnx_model.graph_reader import Floats
    from assembler.onnx_model.model import Model

_FLOAT32, _INT64 = "float32", "int64"
_INPUT_LENGTHS = 4


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A recurrent layer over padded tokens.

    Attributes:
        node: The `LSTM`.
        rows: float32 [sentences, tokens, features].
        lengths: The token counts, int32 [sentences].
        input_weight: float32 [directions, 4 * hidden, features], as ONNX orders gates.
        recurrent_weight: float32 [directions, 4 * hidden, hidden].
        bias: Both biases together, float32 [directions, 4 * hidden].
        name: The prefix of all emitted names.
    """

    node: onnx.NodeProto
    rows: str
    lengths: str
    input_weight: Floats
    recurrent_weight: Floats
    bias: Floats
    name: str

    @property
    def directions(self) -> int:
        return len(self.recurrent_weight)

    @property
    def hidden(self) -> int:
        return self.recurrent_weight.shape[2]


@dataclass(frozen=True, slots=True)
class LowerTokenLayers:
    """The pass.

    Attributes:
        least_features: Layers that read fewer keep their operator, because projecting them is faster than picking the
            tokens.
    """

    least_features: int = 512

    def __call__(self, model: Model) -> Model:
        """Return the model with the wide recurrent layers of its heads as loops."""
        rewriting = Rewriting(model)
        for node in recurrent_layers(rewriting, "LSTM"):
            layer = self._layer(rewriting, node)
            if layer is not None:
                emit = Emitter({}, rewriting.opset)
                emit.output(node.output[0], _emit(emit, layer))
                rewriting.replace_by_fragment(node, emit.fragment())
        return rewriting.model()

    def _layer(self, rewriting: Rewriting, node: onnx.NodeProto) -> _Layer | None:
        """Return the parts of a layer that the pass needs, or `None` if the pass does not apply."""
        transpose = rewriting.producer(node.input[0])
        given, recurrent, biases = (rewriting.floats(name) for name in node.input[1:4])
        counted = len(node.input) > _INPUT_LENGTHS and node.input[_INPUT_LENGTHS]
        if transpose is None or transpose.op_type != "Transpose" or attribute(transpose, "perm") != [1, 0, 2]:
            return None
        if given is None or recurrent is None or biases is None or not counted or any(node.output[1:]):
            return None
        least = max(self.least_features, recurrent.shape[2] + 1)
        if given.shape[2] < least or attribute(node, "direction") == b"reverse":
            return None
        half = biases.shape[1] // 2
        name = rewriting.scope(f"{node.output[0]}/tokens")
        return _Layer(node, transpose.input[0], counted, given, recurrent, biases[:, :half] + biases[:, half:], name)


def _emit(emit: Emitter, layer: _Layer) -> str:
    """Emit the loop, and return its states, float32 [tokens, directions, sentences, hidden]."""
    name = layer.name
    shape = emit.op("Shape", [layer.rows], f"{name}/shape")
    sentences, tokens = (
        emit.op("Gather", [shape, emit.integers(f"{name}/axis_{axis}", [axis])], f"{name}/size_{axis}", axis=0)
        for axis in (0, 1)
    )
    last = emit.op("Squeeze", [tokens, emit.integers(f"{name}/first_axis", [0])], f"{name}/end")
    zero, one = emit.number(f"{name}/zero", 0, _INT64), emit.number(f"{name}/one", 1, _INT64)
    positions = emit.op("Range", [zero, last, one], f"{name}/positions")
    rows, places = _emit_places(emit, layer, positions, sentences)
    if layer.directions > 1:
        backwards = emit.op("Sub", [emit.op("Sub", [last, one], f"{name}/last"), positions], f"{name}/backwards")
        places = _emit_both(emit, name, places, backwards)
    else:
        places = emit.op("Unsqueeze", [places, f"{name}/column"], f"{name}/forward_rows")
    collected = _emit_loop(emit, layer, _emit_gates(emit, layer, rows, places), sentences)
    return emit.op("Concat", collected, f"{name}/states", axis=1)


def _emit_places(emit: Emitter, layer: _Layer, positions: str, sentences: str) -> tuple[str, str]:
    """Emit which rows are tokens, int64 [rows], and the token of each place, int64 [tokens, sentences].

    Places after a sentence have the number after the last token's.
    """
    name = layer.name
    counts = _emit_counts(emit, layer, positions, sentences)
    column = emit.op("Unsqueeze", [counts, emit.integers(f"{name}/column", [1])], f"{name}/of_sentences")
    real = emit.op("Less", [positions, column], f"{name}/real")  # bool [sentences, tokens]
    flat = emit.op("Reshape", [real, emit.integers(f"{name}/flat", [-1])], f"{name}/real_rows")
    found = emit.op("NonZero", [flat], f"{name}/found")
    rows = emit.op("Reshape", [found, f"{name}/flat"], f"{name}/tokens")
    count = emit.op("Shape", [rows], f"{name}/token_count")
    numbers = emit.op("Cast", [flat], f"{name}/numbers", to=element_number(_INT64))
    counted = emit.op("CumSum", [numbers, f"{name}/zero"], f"{name}/counted")
    number = emit.op("Sub", [counted, f"{name}/one"], f"{name}/number")
    token = emit.op("Where", [flat, number, count], f"{name}/token")
    shaped = emit.op("Reshape", [token, emit.op("Shape", [real], f"{name}/real_shape")], f"{name}/token_of_place")
    return rows, emit.op("Transpose", [shaped], f"{name}/places", perm=[1, 0])


def _emit_counts(emit: Emitter, layer: _Layer, positions: str, sentences: str) -> str:
    """Emit the token counts, int64 [sentences]; a wrong number of them, or one beyond the tokens, fails as in `LSTM`.

    `Gather` refuses numbers that are too large, but counts negative ones from the end, so it is used once from each
    side.
    """
    name = layer.name
    given = emit.op("Cast", [layer.lengths], f"{name}/given_counts", to=element_number(_INT64))
    given = emit.op("Reshape", [given, sentences], f"{name}/of_each")
    tokens = emit.op("Shape", [positions], f"{name}/most")
    upwards = emit.op("Concat", [positions, tokens], f"{name}/upwards", axis=0)
    downwards = emit.op("Sub", [tokens, upwards], f"{name}/downwards")
    below = emit.op("Gather", [upwards, given], f"{name}/not_above", axis=0)
    missing = emit.op("Sub", [tokens, given], f"{name}/missing")
    above = emit.op("Gather", [downwards, missing], f"{name}/not_below", axis=0)
    return emit.op("Min", [below, above], f"{name}/counts")


def _emit_both(emit: Emitter, name: str, places: str, backwards: str) -> str:
    """Emit the rows of gates of both directions, int64 [tokens, 2, sentences]; those of the second begin at the end."""
    two = emit.number(f"{name}/two", 2, _INT64)
    axis = emit.integers(f"{name}/direction_axis", [1])
    reverse = emit.op("Gather", [places, backwards], f"{name}/reverse_places", axis=0)
    first = emit.op("Mul", [places, two], f"{name}/forward_rows")
    second = emit.op(
        "Add", [emit.op("Mul", [reverse, two], f"{name}/reverse_even"), f"{name}/one"], f"{name}/reverse_rows"
    )
    each = [
        emit.op("Unsqueeze", [rows, axis], f"{name}/{which}_apart")
        for which, rows in (("forward", first), ("reverse", second))
    ]
    return emit.op("Concat", each, f"{name}/both_rows", axis=1)


def _emit_gates(emit: Emitter, layer: _Layer, rows: str, places: str) -> str:
    """Emit the input's contribution to the gates, float32 [tokens, directions, sentences, 4 * hidden]."""
    name = layer.name
    directions, gates, features = layer.input_weight.shape
    width = directions * gates
    flat = emit.op("Reshape", [layer.rows, emit.integers(f"{name}/features", [-1, features])], f"{name}/rows")
    real = emit.op("Gather", [flat, rows], f"{name}/real_tokens", axis=0)
    weight = emit.initializer(f"{name}/W", layer.input_weight.reshape(width, features).T)
    product = emit.op("MatMul", [real, weight], f"{name}/projection")
    emit.fact(Projection(product))
    given = emit.op("Add", [product, emit.initializer(f"{name}/B", layer.bias.reshape(width))], f"{name}/biased")
    reset = np.zeros((directions, 4, layer.hidden), np.float32)
    reset[:, [0, 2]] = SHUT  # the input and the forget gate
    table = emit.op(
        "Concat", [given, emit.initializer(f"{name}/reset", reset.reshape(1, width))], f"{name}/table", axis=0
    )
    apart = emit.op("Reshape", [table, emit.integers(f"{name}/by_direction", [-1, gates])], f"{name}/table_rows")
    return emit.op("Gather", [apart, places], f"{name}/gates", axis=0)


def _emit_loop(emit: Emitter, layer: _Layer, gates: str, sentences: str) -> list[str]:
    """Emit the loop over the tokens, and return the collected states of each direction, by the tokens' positions."""
    name, hidden = f"{layer.name}/loop", layer.hidden
    sizes = [emit.integers(f"{name}/{axis}", [size]) for axis, size in (("each", layer.directions), ("wide", hidden))]
    shape = emit.op("Concat", [sizes[0], sentences, sizes[1]], f"{name}/start_shape", axis=0)
    start = emit.op("Expand", [emit.number(f"{name}/nothing", 0.0, _FLOAT32), shape], f"{name}/start")
    body = emit.body(name)
    before, cell, given = (body.argument(state, _FLOAT32, 3) for state in ("h", "c", "g"))
    weight = emit.initializer(f"{name}/R", np.swapaxes(layer.recurrent_weight, 1, 2))
    summed = body.op("Add", [body.op("MatMul", [before, weight], "product"), given], "sum")
    after, cell = emit_lstm(emit, body, summed, cell, hidden)
    parts = emit.integers(f"{name}/one_each", [1] * layer.directions)
    kept = body.ops("Split", [after, parts], "kept", layer.directions, axis=0)
    for state in (after, cell, *kept):
        body.result(state, _FLOAT32, 3)
    reverse = [bool(direction) for direction in range(layer.directions)]
    return emit.scan(body, [start] * 2, [gates], collected=reverse)[2:]
