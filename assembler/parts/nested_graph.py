"""The graph of a source inside an operator: the branch of an `If`, or the body of a loop.

Its weights do not stay in there: they become the part's own, where equal ones of all parts are stored once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from assembler.parts.port_dims import dims_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from assembler.onnx_file.header import OnnxHeader
    from assembler.onnx_model.emitter import Emitter
    from assembler.onnx_model.fragment import Fragment
    from assembler.weights.protocol import Weights


@runtime_checkable
class GraphWeights(Protocol):
    """Weights that are a whole graph."""

    def graft(self, emit: Emitter) -> None:
        """Give the graph to the emitter as a whole."""


def header_of(weights: Weights | None) -> OnnxHeader | None:
    """Return the ports of weights that are a graph, or `None` where they are not known.

    Dims whose names say nothing, such as `?`, are dims of their own.
    """
    from assembler.onnx_file.header import OnnxHeader

    header = getattr(weights, "header", weights)
    if not isinstance(header, OnnxHeader):
        return None
    kinds = (header.inputs, header.outputs, header.defaults)
    inputs, outputs, defaults = ({name: dims_of(name, type_, {}) for name, type_ in each.items()} for each in kinds)
    return OnnxHeader(inputs, outputs, header.opset, header.metadata, defaults)


def fragment_of(weights: Weights, opset: int, fed: Sequence[str]) -> Fragment:
    """Return the graph of a source, as a part that some of its ports are fed of."""
    from assembler.onnx_model.emitter import Emitter

    emit = Emitter(dict.fromkeys(fed, 1), opset)
    if not isinstance(weights, GraphWeights):
        raise TypeError(weights)
    weights.graft(emit)
    return emit.fragment()


def lifted(
    emit: Emitter, fragment: Fragment, scope: str, fed: Mapping[str, str], opsets: Mapping[str, int]
) -> tuple[list[onnx.NodeProto], dict[str, str]]:
    """Give the weights of a graph to the part, and return its operators and the tensors that it gives.

    Args:
        emit: The emitter of the part.
        fragment: The graph.
        scope: What stands before the names of its tensors and operators.
        fed: The tensor of the part, or of a loop's body, that feeds each port.
        opsets: The version of each operator domain.
    """
    import onnx

    from assembler.onnx_model.renaming import rename_tensors

    scope = emit.names.scope(scope)

    def rename(name: str) -> str:
        return fed.get(name, f"{scope}/{name}")

    graph = rename_tensors(fragment.graph, rename, f"{scope}/")
    weights = onnx.GraphProto()
    weights.initializer.extend(graph.initializer)
    emit.graft(weights, {rename(name): array for name, array in fragment.weights.items()}, {}, opsets)
    emit.names.take(name for node in graph.node for name in node.output)
    return [*graph.node], {port: rename(tensor) for port, tensor in fragment.outputs.items()}
