"""Pass: a layer that reads sequences of different lengths backwards becomes one that reads reversed ones forwards.

ONNX says that the reverse direction of `LSTM`, `GRU` and `RNN` begins at each sequence's own end, `sequence_lens`.
OpenVINO, IREE and onnx's own reference evaluator ignore the lengths if shapes are dynamic, and compute other states
without an error. `ReverseSequence` is the same in all of them. With it both directions are layers that read forwards,
and these begin at the same place whatever the lengths are.

Requires: a model with unique tensor names. Does: replaces an `LSTM`, `GRU` or `RNN` that has lengths and reads
backwards, alone or beside the other direction. Ensures: the same results, bit by bit in ONNX Runtime, zeros after a
sequence's end included. Limits: layers that have the batch first, or activations with parameters, are left unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from assembler.onnx_model.graph_reader import attribute
from assembler.passes.rewriting import Rewriting

if TYPE_CHECKING:
    import onnx

    from assembler.onnx_model.model import Model

#: The inputs that have a row for each direction: W, R, B, the first states, and an LSTM's peepholes.
_BY_DIRECTION = {1: "W", 2: "R", 3: "B", 5: "initial_h", 6: "initial_c", 7: "P"}
_LENGTHS = 4
_INT64 = 7


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A recurrent layer with lengths.

    Attributes:
        node: The operator.
        name: The prefix of the names of all emitted tensors.
        reverse: For each direction whether it reads backwards.
    """

    node: onnx.NodeProto
    name: str
    reverse: tuple[bool, ...]

    @property
    def directions(self) -> list[str]:
        """The prefixes of the names of each direction's tensors."""
        return [f"{self.name}/{'reverse' if reverse else 'forward'}" for reverse in self.reverse]


def read_forwards(model: Model) -> Model:
    """Return the model with layers that only read forwards, wherever there are lengths."""
    rewriting = Rewriting(model)
    for node in rewriting.nodes("LSTM", "GRU", "RNN"):
        reverse = {b"reverse": (True,), b"bidirectional": (False, True)}.get(_direction(node))
        if reverse is not None and _is_plain(node):
            layer = _Layer(node, rewriting.scope(f"{node.name}/directions"), reverse)
            rewriting.replace(node, _emit(rewriting, layer))
    return rewriting.model()


def _direction(node: onnx.NodeProto) -> bytes:
    found = attribute(node, "direction", b"forward")
    return found if isinstance(found, bytes) else b""


def _is_plain(node: onnx.NodeProto) -> bool:
    """Whether a layer has lengths, and can be taken apart."""
    known = {"hidden_size", "direction", "linear_before_reset", "activations", "clip", "input_forget", "layout"}
    options = {entry.name for entry in node.attribute}
    counted = len(node.input) > _LENGTHS and bool(node.input[_LENGTHS])
    return counted and options <= known and not node.domain and attribute(node, "layout", 0) == 0


def _emit(rewriting: Rewriting, layer: _Layer) -> list[onnx.NodeProto]:
    """Return the operators; those that output the layer's own tensors come last, under their names."""
    name, node = layer.name, layer.node
    lengths = f"{name}/lengths"
    nodes = [helper.make_node("Cast", [node.input[_LENGTHS]], [lengths], name=lengths, to=_INT64)]
    parts = _weights(rewriting, layer, nodes)
    axis = rewriting.add(f"{name}/axis", np.array([1]))
    states: list[str] = []
    for number, (own, reverse) in enumerate(zip(layer.directions, layer.reverse, strict=True)):
        given = node.input[0]
        if reverse:
            given = f"{own}/given"
            nodes.append(_reversed(node.input[0], lengths, given))
        inputs = [given, *(parts[place][number] for place in (1, 2, 3)), node.input[_LENGTHS]]
        inputs += [parts[place][number] for place in (5, 6, 7)]
        while not inputs[-1]:
            inputs.pop()
        outputs = [f"{own}/states", *(f"{own}/last_{place}" if last else "" for place, last in _lasts(node))]
        nodes.append(helper.make_node(node.op_type, inputs, outputs, name=own))
        nodes[-1].attribute.extend(_options(layer, number))
        squeezed = f"{own}/squeezed"
        nodes.append(helper.make_node("Squeeze", [outputs[0], axis], [squeezed], name=squeezed))
        if reverse:
            nodes.append(_reversed(squeezed, lengths, f"{own}/turned_back"))
            squeezed = f"{own}/turned_back"
        states.append(squeezed)
    return [*nodes, *_last_states(layer), *_states(rewriting, layer, states, axis)]


def _reversed(tensor: str, lengths: str, name: str) -> onnx.NodeProto:
    """Return the operator that reverses each sequence of [positions, batch, …], up to its own end."""
    return helper.make_node("ReverseSequence", [tensor, lengths], [name], name=name, time_axis=0, batch_axis=1)


def _weights(rewriting: Rewriting, layer: _Layer, nodes: list[onnx.NodeProto]) -> dict[int, list[str]]:
    """Return each direction's share of each input: rows of initializers, or outputs of `Split`."""
    found = {}
    for place, letter in _BY_DIRECTION.items():
        tensor = layer.node.input[place] if place < len(layer.node.input) else ""
        array = rewriting.array(tensor) if tensor else None
        count = len(layer.reverse)
        names = [f"{own}/{letter}" for own in layer.directions]
        if not tensor or count == 1:
            names = [tensor] * count
        elif array is not None:
            names = [rewriting.add(name, array[number : number + 1]) for number, name in enumerate(names)]
        else:
            nodes.append(helper.make_node("Split", [tensor], names, name=f"{layer.name}/{letter}", axis=0))
            if rewriting.opset >= 18:  # noqa: PLR2004 - the opset since which the number of parts must be said
                nodes[-1].attribute.append(helper.make_attribute("num_outputs", count))
        found[place] = names
    return found


def _options(layer: _Layer, number: int) -> list[onnx.AttributeProto]:
    """Return the attributes of one direction."""
    options = []
    for entry in layer.node.attribute:
        if entry.name == "activations":
            each = len(entry.strings) // len(layer.reverse)
            options.append(helper.make_attribute(entry.name, entry.strings[number * each : (number + 1) * each]))
        elif entry.name not in {"direction", "layout"}:
            options.append(entry)
    return options


def _lasts(node: onnx.NodeProto) -> list[tuple[int, bool]]:
    """Return the places of the last states among the outputs, and whether they are read."""
    return [(place, bool(name)) for place, name in enumerate(node.output) if place]


def _last_states(layer: _Layer) -> list[onnx.NodeProto]:
    """Return the operators that join the last states of both directions as in the layer's output."""
    return [
        helper.make_node(
            "Concat", [f"{name}/last_{place}" for name in layer.directions], [layer.node.output[place]],
            name=f"{layer.name}/last_{place}", axis=0,
        )
        for place, wanted in _lasts(layer.node)
        if wanted
    ]  # fmt: skip


def _states(rewriting: Rewriting, layer: _Layer, states: list[str], axis: str) -> list[onnx.NodeProto]:
    """Return the operators that output the states of all positions.

    If the directions are then joined along the features, as in our parts and torch, one `Concat` replaces all of it.
    """
    output = layer.node.output[0]
    if not output:
        return []
    name = f"{layer.name}/states"
    transpose = rewriting.only_consumer(output)
    join = rewriting.only_consumer(transpose.output[0]) if transpose is not None else None
    if (
        transpose is not None
        and join is not None
        and (transpose.op_type, join.op_type) == ("Transpose", "Reshape")
        and attribute(transpose, "perm") == [0, 2, 1, 3]
        and _joins(rewriting, join, layer)
    ):
        rewriting.drop(transpose)
        rewriting.drop(join)
        return [helper.make_node("Concat", states, list(join.output), name=name, axis=2)]
    apart = [helper.make_node("Unsqueeze", [each, axis], [f"{each}/apart"], name=f"{each}/apart") for each in states]
    return [*apart, helper.make_node("Concat", [f"{each}/apart" for each in states], [output], name=name, axis=1)]


def _joins(rewriting: Rewriting, join: onnx.NodeProto, layer: _Layer) -> bool:
    """Whether a `Reshape` of [positions, batch, directions, hidden] does nothing but join the last two axes."""
    shape = rewriting.array(join.input[1])
    hidden = attribute(layer.node, "hidden_size")
    width = hidden * len(layer.reverse) if isinstance(hidden, int) else -1
    if shape is None or attribute(join, "allowzero", 0) != 0:
        return False
    return shape.tolist() in ([0, 0, -1], [0, 0, width])
