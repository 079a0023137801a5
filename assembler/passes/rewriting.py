"""What passes share: a model's operators by the tensors between them, and their replacement."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import onnx
from onnx import helper, numpy_helper

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.onnx_model.emitter import tensor_proto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.onnx_model.emitter import Fragment
    from assembler.onnx_model.model import Model

Floats: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"

#: ONNX Runtime's own operators.
MICROSOFT = "com.microsoft"

#: The dim of an input whose columns may hold several texts.
LANES = "lanes"


#: The inputs of a recurrent layer up to the biases: X, W, R, B; the lengths are the next.
_WITH_BIASES = 4


class Rewriting:
    """A model under change. The model it began with stays as it is.

    Nested graphs may read any tensor outside; they are kept as they are, and what they read is never dropped.
    """

    def __init__(self, model: Model) -> None:
        """Begin with a model."""
        self._model = model
        self._nodes = list(model.proto.graph.node)
        self._protos = {tensor.name: tensor for tensor in model.proto.graph.initializer}
        self._weights = dict(model.weights)
        self._domains: set[str] = set()
        self._taken = tensor_names(model.proto.graph)
        self._resets = dict(model.resets)
        self._loops = dict(model.loops)
        self._in_lanes: set[str] = set()
        self.outputs = {output.name for output in model.proto.graph.output}
        self.inputs = {entry.name for entry in model.proto.graph.input}

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return next(int(entry.version) for entry in self._model.proto.opset_import if not entry.domain)

    def nodes(self, *op_types: str) -> list[onnx.NodeProto]:
        """Return the operators in order, of some types alone if any are named."""
        return [node for node in self._nodes if not op_types or node.op_type in op_types]

    def recurrent_layers(self, *op_types: str) -> list[onnx.NodeProto]:
        """Return the recurrent layers that are torch's: those of exported subgraphs may be of any other make.

        They have float32 initializers as `W`, `R` and `B`, no first states and no peepholes, and no option
        but torch's: its own activations, time first, and of a GRU the reset gate behind the recurrent product.
        """
        return [node for node in self.nodes(*op_types) if self._is_torchs(node)]

    def _is_torchs(self, node: onnx.NodeProto) -> bool:
        options = {entry.name for entry in node.attribute} - {"hidden_size", "direction"}
        own = {"linear_before_reset"} if node.op_type == "GRU" else set()
        if options != own or (own and attribute(node, "linear_before_reset", 0) != 1):
            return False
        if len(node.input) < _WITH_BIASES or any(node.input[5:]):
            return False
        arrays = [self.floats(name) for name in node.input[1:4]]
        return [None if array is None else array.ndim for array in arrays] == [3, 3, 2]

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """Return the operator that gives a tensor."""
        return next((node for node in self.nodes() if tensor in node.output), None)

    def consumers(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the operators that read a tensor, themselves or in a nested graph."""
        return [node for node in self.nodes() if tensor in read_by(node)]

    def only_consumer(self, tensor: str) -> onnx.NodeProto | None:
        """Return the operator that alone reads a tensor which is no output, or `None`."""
        found = self.consumers(tensor)
        return found[0] if len(found) == 1 and tensor not in self.outputs else None

    def array(self, tensor: str) -> Array | None:
        """Return the value of an initializer, or `None` for any other tensor."""
        if tensor in self._weights:
            return self._weights[tensor]
        return numpy_helper.to_array(self._protos[tensor]) if tensor in self._protos else None

    def floats(self, tensor: str) -> Floats | None:
        """Return the value of a float32 initializer, or `None` for any other tensor."""
        found = self.array(tensor)
        return cast("Floats", found) if found is not None and found.dtype == np.float32 else None

    def fresh(self, name: str) -> str:
        """Return a name that no tensor has, nor begins with: the one that is wanted, or one with a number behind it.

        The graph of an exported subgraph may have any names, and several operators may read one initializer.
        """
        number, found = 1, name
        while any(taken == found or taken.startswith((f"{found}/", f"{found}:")) for taken in self._taken):
            number += 1
            found = f"{name}~{number}"
        self._taken.add(found)
        return found

    def set_array(self, name: str, array: Array) -> str:
        """Add an initializer and return its name. One that is there already stays, if it is the same.

        Raises:
            ModelError: Another tensor has the name (M020).
        """
        array = np.ascontiguousarray(array) if array.ndim else array
        known = self.array(name)
        if known is not None and _same(known, array):
            return name
        proto = tensor_proto(name, array)
        if known is not None:
            raise _name_taken(name)
        self._protos[name] = proto
        self._taken.add(name)
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            self._weights[name] = array
        return name

    def add_initializers(self, fragment: Fragment) -> None:
        """Add the initializers of what was emitted anew; arrays are kept, not copied.

        Raises:
            ModelError: One of them has a name that is taken (M020).
        """
        for proto in fragment.graph.initializer:
            if proto.name in self._protos:
                raise _name_taken(proto.name)
            self._taken.add(proto.name)
        self._protos.update({proto.name: proto for proto in fragment.graph.initializer})
        self._weights.update(fragment.weights)

    def replace(self, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto], *, domain: str | None = None) -> None:
        """Put operators in the place of one; `domain` is that of their operators beyond ONNX's own."""
        index = next(index for index, entry in enumerate(self._nodes) if entry is node)
        self._nodes[index : index + 1] = nodes
        self._taken.update(name for entry in nodes for name in (*entry.output, *_inner_names(entry)))
        if domain is not None:
            self._domains.add(domain)

    def drop(self, node: onnx.NodeProto) -> None:
        """Take an operator out whose outputs another one gives now."""
        self._nodes = [entry for entry in self._nodes if entry is not node]

    def give(self, tensor: str, node: onnx.NodeProto) -> None:
        """Let an operator give, before all others, what an initializer gave."""
        self._nodes.insert(0, node)
        self._protos.pop(tensor, None)
        self._weights.pop(tensor, None)

    def give_reset(self, part: str, character: int, *, lanes_of: str | None, loop: str | None = None) -> None:
        """Note the character that sets a language model back.

        Args:
            part: The part that it belongs to.
            character: The character.
            lanes_of: The input that it reads, whose columns can then be lanes.
            loop: The name of its loop, if it has become one.
        """
        self._resets[part] = character
        if loop is not None:
            self._loops[loop] = character
        if lanes_of is not None:
            self._in_lanes.add(lanes_of)

    def model(self) -> Model:
        """Return the changed model without what feeds no output.

        Raises:
            ModelError: Two tensors have one name (M020).
        """
        proto = onnx.ModelProto()
        proto.CopyFrom(self._model.proto)
        nodes = _needed(self.nodes(), self.outputs)
        read = {tensor for node in nodes for tensor in read_by(node)} | self.outputs
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
        del proto.graph.initializer[:]
        proto.graph.initializer.extend(tensor for tensor in self._protos.values() if tensor.name in read)
        for entry in proto.graph.input:
            if entry.name in self._in_lanes:
                entry.type.tensor_type.shape.dim[1].dim_param = LANES
        known = {entry.domain for entry in proto.opset_import}
        proto.opset_import.extend(helper.make_opsetid(domain, 1) for domain in sorted(self._domains - known))
        weights = {name: array for name, array in self._weights.items() if name in read}
        require_unique(proto.graph)
        return replace(self._model, proto=proto, weights=weights, resets=self._resets, loops=self._loops)


def _same(one: Array, other: Array) -> bool:
    return one is other or ((one.dtype, one.shape) == (other.dtype, other.shape) and one.tobytes() == other.tobytes())


def _name_taken(name: str) -> ModelError:
    message = f"two tensors would have the name '{name}' after this profile's passes"
    return ModelError(Problem("M020", message, "rename the tensors and nodes of the exported subgraph"))


def tensor_names(graph: onnx.GraphProto) -> set[str]:
    """Return the names of all tensors of a graph, those of nested graphs included."""
    own = {entry.name for entry in (*graph.input, *graph.initializer)}
    inner = (name for node in graph.node for name in _inner_names(node))
    return own.union(*(node.output for node in graph.node), inner) - {""}


def _inner_names(node: onnx.NodeProto) -> set[str]:
    return {name for graph in nested(node) for name in tensor_names(graph)}


def require_unique(graph: onnx.GraphProto) -> None:
    """Refuse a graph in which two of its own tensors have one name.

    Raises:
        ModelError: With the name (M020).
    """
    given = [entry.name for entry in (*graph.input, *graph.initializer)]
    given += [name for node in graph.node for name in node.output if name]
    twice = next((name for name, count in Counter(given).items() if count > 1), None)
    if twice is not None:
        raise _name_taken(twice)


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Return the operators from which an output can be reached, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted |= read_by(node)
            kept.append(node)
    return kept[::-1]


def read_by(node: onnx.NodeProto) -> set[str]:
    """Return every tensor that an operator reads, in nested graphs too."""
    return {name for name in (*node.input, *read_inside(node)) if name}


def read_inside(node: onnx.NodeProto) -> set[str]:
    """Return every tensor that the graphs nested in an operator read."""
    return {name for graph in nested(node) for name in _read_inside(graph) if name}


def nested(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in an operator's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _read_inside(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (output.name for output in graph.output)
    for node in graph.node:
        yield from read_by(node)


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """Return an attribute of an operator."""
    return next((helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name), default)


def changed(node: onnx.NodeProto, inputs: Sequence[str], **attributes: object) -> onnx.NodeProto:
    """Return a copy of an operator with other inputs, and attributes that are added or replaced."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = inputs
    kept: Mapping[str, onnx.AttributeProto] = {entry.name: entry for entry in node.attribute}
    del copy.attribute[:]
    copy.attribute.extend(entry for name, entry in kept.items() if name not in attributes)
    copy.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return copy
