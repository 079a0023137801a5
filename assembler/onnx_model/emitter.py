"""Emits the operators of one part as a fragment: an ONNX graph with named ports, its weights held beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from assembler.onnx_model.fragment import Fragment, tensor_proto
from assembler.onnx_model.names import Names
from assembler.onnx_model.nesting import tensor_names
from assembler.onnx_model.type_protos import element_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.onnx_model.facts import Fact


class Operators:
    """A list of operators, of a part or of the body of a loop in it."""

    def __init__(self, opset: int, prefix: str = "", names: Names | None = None) -> None:
        """Begin without operators.

        Args:
            opset: The version of the default operator domain.
            prefix: The prefix of each name.
            names: The names of the part's operators and tensors, which a loop's body shares with the graph around it.
        """
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.names = names or Names()
        self._prefix = prefix

    def op(self, op_type: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        """Add an operator of the default domain and return its first output.

        Args:
            op_type: The operator.
            inputs: Its input tensors; an empty text leaves an optional one out.
            name: A readable name, unique in the part.
            **attributes: Its attributes.
        """
        [output] = self.ops(op_type, inputs, name, 1, **attributes)
        return output

    def ops(self, op_type: str, inputs: Sequence[str], name: str, count: int, **attributes: object) -> list[str]:
        """Add an operator as `op` does and return its first `count` outputs.

        Raises:
            NameTakenError: An operator or an initializer of the part has the name.
        """
        name = self._prefix + name
        outputs = [self.names.claim(f"{name}:{index}") for index in range(count)]
        node = helper.make_node(op_type, list(inputs), outputs, name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self.nodes.append(node)
        return outputs

    def reduce_max(self, tensor: str, axis: int, name: str) -> str:
        """Add the maximum over one axis; `axes` became an input with opset 18."""
        if self.opset >= 18:  # noqa: PLR2004 - the opset is named in the docstring
            axes = self.op("Constant", [], f"{name}/axes", value_ints=[axis])
            return self.op("ReduceMax", [tensor, axes], name, keepdims=0)
        return self.op("ReduceMax", [tensor], name, axes=[axis], keepdims=0)


class Body(Operators):
    """The body of a loop. It may read any tensor that the part has emitted before it."""

    def __init__(self, opset: int, name: str, names: Names) -> None:
        """Begin a body; its name is the prefix of its operators' names."""
        super().__init__(opset, f"{name}/", names)
        self.name = name
        self._arguments: list[onnx.ValueInfoProto] = []
        self._results: list[onnx.ValueInfoProto] = []

    def argument(self, name: str, dtype: str, rank: int | None) -> str:
        """Declare the next argument, states before scanned tensors, and return its tensor."""
        tensor = self.names.claim(f"{self.name}/{name}")
        self._arguments.append(helper.make_tensor_value_info(tensor, element_number(dtype), _sizes(rank)))
        return tensor

    def result(self, tensor: str, dtype: str, rank: int | Sequence[int | None] | None) -> None:
        """Declare the next result, states before collected tensors."""
        self._results.append(helper.make_tensor_value_info(tensor, element_number(dtype), _sizes(rank)))

    def graph(self) -> onnx.GraphProto:
        """Return the body."""
        return helper.make_graph(self.nodes, self.name, self._arguments, self._results)


def _sizes(rank: int | Sequence[int | None] | None) -> list[int | None] | None:
    if isinstance(rank, int):
        return [None] * rank
    return None if rank is None else [*rank]


class Emitter(Operators):
    """Collects the operators of one part. Names are local to the part; joining prefixes them with the part's id."""

    def __init__(self, inputs: Mapping[str, int], opset: int) -> None:
        """Begin a fragment.

        Args:
            inputs: The input ports, each with the number of tensors that feed it.
            opset: The version of the default operator domain.
        """
        super().__init__(opset)
        self._inputs = {
            port: (port,) if count == 1 else tuple(f"{port}.{index}" for index in range(count))
            for port, count in inputs.items()
        }
        self._outputs: dict[str, str] = {}
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._weights: dict[str, Array] = {}
        self._opsets = {"": opset}
        self._value_infos: list[onnx.ValueInfoProto] = []
        self._facts: list[Fact] = []
        self.names.take(tensor for tensors in self._inputs.values() for tensor in tensors)

    def input(self, port: str) -> str:
        """Return the tensor that feeds a port."""
        return self._inputs[port][0]

    def inputs(self, port: str) -> tuple[str, ...]:
        """Return the tensors that feed a variadic port."""
        return self._inputs[port]

    def output(self, port: str, tensor: str) -> None:
        """Set the tensor of an output port."""
        self._outputs[port] = tensor

    def fact(self, fact: Fact) -> None:
        """Record what some of the operators are, for passes that can replace them by something better."""
        self._facts.append(fact)

    def initializer(self, name: str, array: Array) -> str:
        """Add a weight and return its tensor. The array is kept, not copied.

        Raises:
            NameTakenError: A tensor of the part has the name.
        """
        array = np.asarray(array, order="C")
        proto = tensor_proto(self.names.claim(name), array)
        self._initializers[name] = proto
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            self._weights[name] = array
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add an int64 vector, such as a shape or axes, and return its tensor."""
        return self.initializer(name, np.asarray(values, dtype=np.int64))

    def number(self, name: str, value: float, dtype: str) -> str:
        """Add a scalar and return its tensor."""
        return self.initializer(name, np.asarray(value, dtype=dtype))

    def body(self, name: str) -> Body:
        """Begin the body of a loop."""
        return Body(self.opset, name, self.names)

    def scan(
        self,
        body: Body,
        states: Sequence[str],
        scanned: Sequence[str],
        *,
        collected: Sequence[bool],
        backward: bool = False,
    ) -> list[str]:
        """Add a loop over the first axis of the scanned tensors.

        The operator only scans forwards, because onnx's reference evaluator supports nothing else: tensors that are
        read or collected from the end are reversed separately. The body may read initializers, but no tensor that is
        computed outside it, because OpenVINO takes such a tensor for an input of the loop. Pass such a tensor as a
        state that does not change.

        Args:
            body: Its body: states and scanned slices in, states and collected slices out.
            states: The first value of each state.
            scanned: The tensors to scan.
            collected: For each collected tensor, whether its first slice comes last.
            backward: Whether to scan from the end.

        Returns:
            The last value of each state, then the collected tensors.
        """
        if backward:
            scanned = [self._reversed(tensor, f"{body.name}/scanned_{place}") for place, tensor in enumerate(scanned)]
        directions = {"scan_output_directions": [0] * len(collected)} if collected else {}  # an empty list has no type
        given = self.ops(
            "Scan",
            [*states, *scanned],
            body.name,
            len(states) + len(collected),
            body=body.graph(),
            num_scan_inputs=len(scanned),
            scan_input_directions=[0] * len(scanned),
            **directions,
        )
        for place, reverse in enumerate(collected, len(states)):
            if reverse:
                given[place] = self._reversed(given[place], f"{body.name}/collected_{place}")
        return given

    def _reversed(self, tensor: str, name: str) -> str:
        """Add the first axis from its end to its beginning."""
        bounds = (("begin", -1), ("end", -(2**31)), ("axis", 0), ("step", -1))
        sides = [self.integers(f"{name}/{side}", [value]) for side, value in bounds]
        return self.op("Slice", [tensor, *sides], name)

    def standard(
        self,
        op_type: str,
        domain: str,
        version: int,
        inputs: Sequence[str],
        attributes: Sequence[onnx.AttributeProto],
        count: int,
    ) -> list[str]:
        """Add an operator of any domain, and return its first `count` outputs.

        Args:
            op_type: The operator.
            domain: Its domain.
            version: The version of the domain.
            inputs: Its input tensors; an empty text leaves an optional one out.
            attributes: Its attributes.
            count: The number of outputs.
        """
        outputs = self.ops(op_type, inputs, op_type.lower(), count)
        self.nodes[-1].domain = domain
        self.nodes[-1].attribute.extend(attributes)
        self._opsets[domain] = version
        return outputs

    def graft(
        self,
        graph: onnx.GraphProto,
        weights: Mapping[str, Array],
        outputs: Mapping[str, str],
        opsets: Mapping[str, int],
    ) -> None:
        """Take a whole graph as the part. Its inputs have the names of the ports.

        An initializer with the name of a port is only the default for when nothing feeds the port.

        Args:
            graph: Nodes, value infos and initializers, stubs for those in `weights`.
            weights: The arrays of the stubs.
            outputs: The tensor of each output port.
            opsets: The version of each operator domain that the graph uses.
        """
        self.names.take(tensor_names(graph))
        self.nodes.extend(graph.node)
        fed = {tensor for tensors in self._inputs.values() for tensor in tensors}
        self._initializers.update({proto.name: proto for proto in graph.initializer if proto.name not in fed})
        self._weights.update({name: array for name, array in weights.items() if name not in fed})
        self._value_infos.extend(graph.value_info)
        self._outputs.update(outputs)
        self._opsets.update(opsets)

    def fragment(self) -> Fragment:
        """Return the fragment. A port that outputs an unchanged input or weight gets its own node."""
        given = {*self._initializers, *(tensor for tensors in self._inputs.values() for tensor in tensors)}
        for port, tensor in self._outputs.items():
            if tensor in given:
                self._outputs[port] = self._copied(tensor, f"output/{port}")
        graph = onnx.GraphProto(name="part")
        graph.node.extend(self.nodes)
        graph.initializer.extend(self._initializers.values())
        graph.value_info.extend(self._value_infos)
        ports = (dict(self._inputs), dict(self._outputs))
        return Fragment(graph, dict(self._weights), *ports, dict(self._opsets), tuple(self._facts))

    def _copied(self, tensor: str, name: str) -> str:
        """Add a new tensor for one that is passed on unchanged; a tensor of an exported subgraph may have any name."""
        copy = self.names.claim(self.names.fresh(f"{name}:0"))
        self.nodes.append(helper.make_node("Identity", [tensor], [copy], name=name))
        return copy
