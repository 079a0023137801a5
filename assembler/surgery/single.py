"""One part as a separate model, for running it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import helper, numpy_helper

from assembler.core.tensors import TensorType
from assembler.surgery.joining import value_info

if TYPE_CHECKING:
    from assembler.onnx_model.fragment import Fragment
    from assembler.wiring.graph import Wiring

#: The prefix of the names of output ports, because a kind may use one name for an input and an output.
OUTPUT = "output:"


def single_part(wiring: Wiring, node: str, fragment: Fragment) -> bytes:
    """Return a model whose inputs are the part's tensors and whose outputs are its ports.

    Limits: a part above 2 GB cannot be a model in memory; such parts have weights and are run by their source.
    """
    graph = onnx.GraphProto(name=node)
    graph.node.extend(fragment.graph.node)
    for tensor in fragment.graph.initializer:
        array = fragment.weights.get(tensor.name)
        graph.initializer.append(tensor if array is None else numpy_helper.from_array(array, tensor.name))
    for port, names in fragment.inputs.items():
        for name, edge in zip(names, wiring.feeding(node, port), strict=True):
            known = wiring.tensors[edge.reference.text]
            rank_only = None if known.dims is None else (None,) * len(known.dims)
            graph.input.append(value_info(name, TensorType(known.dtype, rank_only)))
    for port, tensor_name in fragment.outputs.items():
        graph.node.append(helper.make_node("Identity", [tensor_name], [OUTPUT + port], name=OUTPUT + port))
        graph.output.append(value_info(OUTPUT + port, TensorType(wiring.tensors[f"{node}.{port}"].dtype, None)))
    imports = [helper.make_opsetid(domain, version) for domain, version in sorted(fragment.opsets.items())]
    model = helper.make_model(graph, opset_imports=imports)
    model.ir_version = helper.find_min_ir_version_for(imports, ignore_unknown=True)
    return bytes(model.SerializeToString())
