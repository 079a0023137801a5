"""A model under change, which all passes use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import onnx
from onnx import helper

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.onnx_model.facts import Reset
from assembler.onnx_model.fragment import tensor_proto
from assembler.onnx_model.graph_reader import Graph
from assembler.onnx_model.names import Names, NameTakenError
from assembler.onnx_model.nesting import inner_names, read_by, tensor_names
from assembler.onnx_model.renaming import name_nodes, rename_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.onnx_model.facts import Fact
    from assembler.onnx_model.fragment import Fragment
    from assembler.onnx_model.model import Model

    AnyFact = TypeVar("AnyFact", bound=Fact)

#: ONNX Runtime's own operators.
MICROSOFT = "com.microsoft"

#: The dim of an input whose columns may hold several texts.
LANES = "lanes"


class Rewriting(Graph):
    """A model under change. The original model is not changed.

    Nested graphs are kept unchanged, and tensors that they read are never dropped. No tensor takes the name of another:
    additions have new names, and replacements are declared as such.
    """

    def __init__(self, model: Model) -> None:
        """Begin with a model."""
        super().__init__(model.proto.graph, model.weights)
        self._model = model
        self._domains: set[str] = set()
        self._names = Names(tensor_names(model.proto.graph))
        self._facts = list(model.facts)

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return next(int(entry.version) for entry in self._model.proto.opset_import if not entry.domain)

    def facts(self, kind: type[AnyFact]) -> list[AnyFact]:
        """Return the facts of one kind."""
        return [fact for fact in self._facts if isinstance(fact, kind)]

    def fact(self, kind: type[AnyFact], tensor: str) -> AnyFact | None:
        """Return the fact of one kind about a tensor, if there is one."""
        return next((fact for fact in self.facts(kind) if fact.tensor == tensor), None)

    def record(self, fact: Fact) -> None:
        """Record a fact about something that the pass has made."""
        self._facts.append(fact)

    def retract(self, fact: Fact) -> None:
        """Retract a fact that is no longer true."""
        self._facts.remove(fact)

    def maker(self, fact: Fact) -> onnx.NodeProto:
        """Return the operator that outputs the tensor of a fact.

        Raises:
            LookupError: There is none: a pass has removed it without retracting the fact.
        """
        node = self.producer(fact.tensor)
        if node is None:
            raise LookupError(fact)
        return node

    def scope(self, name: str) -> str:
        """Return a name that no tensor has, nor begins with: the wanted one, or one with a number after it.

        The graph of an exported subgraph may have any names, and several operators may read one initializer.
        """
        return self._names.scope(name)

    def add(self, name: str, array: Array) -> str:
        """Add an initializer and return its name.

        Raises:
            ModelError: Another tensor has the name (M020).
        """
        array = np.ascontiguousarray(array) if array.ndim else array
        proto = tensor_proto(self._claimed(name), array)
        self._protos[name] = proto
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            self._weights[name] = array
        return name

    def replace(self, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto], *, domain: str | None = None) -> None:
        """Replace an operator by others; `domain` is that of the operators beyond ONNX's own.

        Raises:
            ModelError: One of them outputs a tensor that another operator already outputs (M020).
        """
        index = next(index for index, entry in enumerate(self._nodes) if entry is node)
        self.drop(node)
        self._insert(index, nodes)
        if domain is not None:
            self._domains.add(domain)

    def replace_by_fragment(self, node: onnx.NodeProto, fragment: Fragment) -> None:
        """Replace an operator by an emitted fragment.

        Args:
            node: The operator.
            fragment: The fragment; its output ports have the names of the operator's outputs. Arrays are kept, not
                copied.

        Raises:
            ModelError: One of its tensors has a name that is taken (M020).
        """
        given = {tensor: port for port, tensor in fragment.outputs.items()}

        def rename(name: str) -> str:
            return given.get(name, name)

        graph = rename_tensors(fragment.graph, rename)
        self.replace(node, graph.node)
        for proto in graph.initializer:
            self._protos[self._claimed(proto.name)] = proto
        self._weights.update(fragment.weights)
        self._facts.extend(fact.renamed(rename) for fact in fragment.facts)

    def drop(self, node: onnx.NodeProto) -> None:
        """Remove an operator whose outputs another one will compute."""
        self._nodes = [entry for entry in self._nodes if entry is not node]
        self._names.release(node.output)

    def compute(self, tensor: str, nodes: Sequence[onnx.NodeProto]) -> None:
        """Let operators compute, before all others, the tensor of an initializer."""
        del self._protos[tensor]
        self._weights.pop(tensor, None)
        self._names.release([tensor])
        self._insert(0, nodes)

    def _insert(self, index: int, nodes: Sequence[onnx.NodeProto]) -> None:
        self._nodes[index:index] = nodes
        for node in nodes:
            for name in filter(None, node.output):
                self._claimed(name)
            self._names.take(inner_names(node))

    def _claimed(self, name: str) -> str:
        """Take a name.

        Raises:
            ModelError: Another tensor has it (M020).
        """
        try:
            return self._names.claim(name)
        except NameTakenError as err:
            message = f"two tensors would have the name '{name}' after this profile's passes"
            hint = "rename the tensors and nodes of the exported subgraph"
            raise ModelError(Problem("M020", message, hint)) from err

    def model(self) -> Model:
        """Return the changed model without nodes that feed no output, and without the facts about them."""
        proto = onnx.ModelProto()
        proto.CopyFrom(self._model.proto)
        nodes = _needed(self._nodes, self.outputs)
        read = {tensor for node in nodes for tensor in read_by(node)} | self.outputs
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
        name_nodes(proto.graph)
        del proto.graph.initializer[:]
        proto.graph.initializer.extend(tensor for tensor in self._protos.values() if tensor.name in read)
        in_lanes = {fact.tensor for fact in self.facts(Reset)}
        for entry in proto.graph.input:
            if entry.name in in_lanes:
                entry.type.tensor_type.shape.dim[1].dim_param = LANES
        known = {entry.domain for entry in proto.opset_import}
        proto.opset_import.extend(helper.make_opsetid(domain, 1) for domain in sorted(self._domains - known))
        weights = {name: array for name, array in self._weights.items() if name in read}
        given = self.inputs.union(*(node.output for node in nodes))
        facts = tuple(fact for fact in self._facts if fact.tensor in given)
        return replace(self._model, proto=proto, weights=weights, facts=facts)


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Return the operators from which an output can be reached, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted |= read_by(node)
            kept.append(node)
    return kept[::-1]


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
