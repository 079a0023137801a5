"""Joins fragments into one model. The only module that imports onnx-graphsurgeon.

graphsurgeon identifies tensors by name: of two initializers with one name it keeps one and warns, and then two language
models from one exporter compute with the same weights. So every name is made unique before graphsurgeon sees it: a
tensor of the part `forward_lm` is `forward_lm/…`, and ids of parts are unique. If an input or output of the model has
such a name, the tensor gets another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx_graphsurgeon as gs
from onnx import helper

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.onnx_model.model import Model
from assembler.onnx_model.nesting import read_by
from assembler.onnx_model.opsets import common_opsets
from assembler.onnx_model.renaming import name_nodes, rename_tensors
from assembler.onnx_model.type_protos import type_proto

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from assembler.core.arrays import Array
    from assembler.core.tensors import TensorType
    from assembler.onnx_model.facts import Fact
    from assembler.onnx_model.fragment import Fragment
    from assembler.wiring.graph import Wiring

#: The first version of the format in which an initializer need not be an input.
_FREE_INITIALIZERS = 4
#: The name of the graph and the producer in the file.
PRODUCER = "flair-assembler"


def join(wiring: Wiring, fragments: Mapping[str, Fragment]) -> Model:
    """Join the parts of a stack.

    Args:
        wiring: How the parts are connected.
        fragments: Each part as ONNX, by node.

    Returns:
        A model with the inputs and outputs of the spec, in its order, whose other tensors are `node/…`. Nodes that feed
        no output are left out.

    Raises:
        ModelError: Two parts use different versions of one operator domain (M003).
    """
    public = {name: output.reference.text for name, output in wiring.spec.outputs.items()}
    names, copies = _tensor_names(wiring, fragments, public)
    graph = onnx.GraphProto(name=wiring.spec.name)
    weights: dict[str, Array] = {}
    facts: list[Fact] = []
    for node in wiring.order:
        fragment = fragments[node]
        renamed = rename_tensors(fragment.graph, names[node].__getitem__, f"{node}/")
        graph.node.extend(renamed.node)
        graph.initializer.extend(renamed.initializer)
        weights.update({names[node][name]: array for name, array in fragment.weights.items()})
        facts.extend(fact.renamed(names[node].__getitem__).of_part(node) for fact in fragment.facts)
    for name, tensor in copies.items():
        graph.node.append(helper.make_node("Identity", [tensor], [name], name=name))  # no slash: no part has it
    name_nodes(graph)
    inputs = {name: entry.type for name, entry in wiring.spec.inputs.items()}
    graph.input.extend(value_info(name, type_) for name, type_ in inputs.items())
    graph.output.extend(value_info(name, _with_axes(name, wiring.tensors[text])) for name, text in public.items())
    proto = _cleaned(graph, common_opsets(fragments))
    kept = {tensor.name for tensor in proto.graph.initializer}
    given = {name for node in proto.graph.node for name in node.output}
    return Model(
        proto,
        {name: array for name, array in weights.items() if name in kept},
        tuple(fact for fact in facts if fact.tensor in given),
    )


def tensor_names(wiring: Wiring, fragments: Mapping[str, Fragment]) -> dict[str, str]:
    """Return for each `node.port` the name that its tensor has in the joined model of the spec."""
    public = {name: output.reference.text for name, output in wiring.spec.outputs.items()}
    names, _ = _tensor_names(wiring, fragments, public)
    return {
        f"{node}.{port}": names[node][tensor]
        for node in wiring.order
        for port, tensor in fragments[node].outputs.items()
    }


class _Names(dict[str, str]):
    """The new names of one part's tensors; those that are not set are prefixed.

    A public name may have a slash too, and may equal a prefixed name. Then the prefixed name is changed.
    """

    def __init__(self, node: str, public: Collection[str]) -> None:
        super().__init__()
        self._node = node
        self._public = public

    def __missing__(self, name: str) -> str:
        prefixed = f"{self._node}/{name}"
        while prefixed in self._public:
            prefixed = prefixed.replace("/", "//", 1)
        return prefixed


def _tensor_names(
    wiring: Wiring, fragments: Mapping[str, Fragment], public: Mapping[str, str]
) -> tuple[dict[str, _Names], dict[str, str]]:
    """Return the new names of each part's tensors, and the outputs that are copies of a tensor under another name."""
    first: dict[str, str] = {}
    copies: dict[str, str] = {}
    for name, text in public.items():
        first.setdefault(text, name)
    names: dict[str, _Names] = {}
    given: dict[str, str] = {name: name for name in wiring.spec.inputs}
    for node in wiring.order:
        fragment = fragments[node]
        table = _Names(node, {*wiring.spec.inputs, *public})
        for port, tensors in fragment.inputs.items():
            sources = [given[edge.reference.text] for edge in wiring.feeding(node, port)]
            table.update(zip(tensors, sources, strict=True))
        for port, tensor in fragment.outputs.items():
            text = f"{node}.{port}"
            if text in first and tensor not in table:
                table[tensor] = first[text]
            given[text] = table[tensor]
        names[node] = table
    for name, text in public.items():
        if given[text] != name:
            copies[name] = given[text]
    return names, copies


def _with_axes(name: str, type_: TensorType) -> TensorType:
    """Return the type of an output, for which ONNX requires a shape.

    Raises:
        ModelError: Not even the number of its axes is known (M030).
    """
    if type_.dims is None and type_.is_tensor:
        message = (
            f"the number of axes of the output '{name}' is not known: no file declares it, and no run has shown it"
        )
        hint = "build it with the proof, whose runs show it, or export it with shapes"
        raise ModelError(Problem("M030", message, hint))
    return type_


def value_info(name: str, type_: TensorType) -> onnx.ValueInfoProto:
    """Return the declaration of a tensor, or of a sequence, a map or an optional.

    Raises:
        ModelError: ONNX Runtime has no values of its type (M005).
    """
    return helper.make_value_info(name, type_proto(type_, f"the tensor '{name}'"))


def _cleaned(graph: onnx.GraphProto, opsets: Mapping[str, int]) -> onnx.ModelProto:
    """Drop nodes that feed no output.

    graphsurgeon confirms that no two tensors share a name and finds the needed nodes. The nodes themselves are kept
    unchanged: on export graphsurgeon would move an initializer that only a nested graph reads into that graph, and
    fails on attributes that are empty lists.

    Raises:
        ModelError: graphsurgeon does not understand the graph of an exported subgraph (M005).
    """
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    model = helper.make_model(graph, opset_imports=imports, producer_name=PRODUCER)
    model.ir_version = max(_FREE_INITIALIZERS, helper.find_min_ir_version_for(imports, ignore_unknown=True))
    needed = _needed_tensors(model)
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    read = {name for node in nodes for name in read_by(node)}.union(output.name for output in graph.output)
    initializers = [tensor for tensor in graph.initializer if tensor.name in read]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.initializer[:]
    model.graph.initializer.extend(initializers)
    return model


def _needed_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the outputs of the nodes from which an output of the model can be reached."""
    try:
        with gs.logger.G_LOGGER.suppress():  # it prints its warnings on stdout, where results go
            surgeon = gs.import_onnx(model)
            surgeon.tensors(check_duplicates=True)
            surgeon.cleanup(remove_unused_graph_inputs=False)
    except (ValueError, TypeError, KeyError, AttributeError, UnicodeDecodeError, gs.OnnxGraphSurgeonException) as err:
        message = (
            f"the graph of an exported subgraph is not understood: {str(err).splitlines()[0] if str(err) else err!r}"
        )
        raise ModelError(Problem("M005", message, "try whether the file runs in ONNX Runtime by itself")) from err
    return {tensor.name for node in surgeon.nodes for tensor in node.outputs if tensor.name}
