"""Which engines run a file, by its content: the rules concern operators, not the profile.

Each obstacle was observed with the versions that docs/hosts.md names; `make engines` runs files without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import helper

from assembler.onnx_model.nesting import all_nodes, nested, read_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

#: ONNX's own operators.
OWN = frozenset({"", "ai.onnx"})
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_LENGTHS = 4
OPENVINO, EVALUATOR, WEBGPU = "OpenVINO", "onnx.reference", "onnxruntime-web on WebGPU"
ENGINES = (OPENVINO, EVALUATOR, WEBGPU)


def foreign_operators(graph: onnx.GraphProto) -> dict[str, list[str]]:
    """Return the operators beyond ONNX's own, sorted, by domain."""
    found: dict[str, set[str]] = {}
    for node in all_nodes(graph):
        if node.domain not in OWN:
            found.setdefault(node.domain, set()).add(node.op_type)
    return {domain: sorted(names) for domain, names in sorted(found.items())}


def obstacles(graph: onnx.GraphProto) -> Iterator[tuple[str, str]]:
    """Yield engines, and the parts of the graph that they are known to refuse or to compute wrongly."""
    foreign = foreign_operators(graph)
    for domain, names in foreign.items():
        for engine in ENGINES[:2]:
            yield engine, f"is not known to run operators of {domain}: {', '.join(names)}"
    for node in all_nodes(graph):
        if node.op_type in _RECURRENT and _reads_backwards(node):
            for engine in ENGINES[:2]:
                yield engine, f"computes wrong states without an error: '{node.name}' reads backwards by lengths"
        if node.op_type == "Scan" and _scans_backwards(node):
            yield EVALUATOR, f"refuses '{node.name}', which scans backwards"
        if node.op_type == "DequantizeLinear":
            yield (
                WEBGPU,
                f"may compute wrong numbers: '{node.name}' dequantises, without an error (onnxruntime issue 32578)",
            )
    for node in graph.node:
        if node.op_type == "Scan" and (names := sorted(_captures(graph, node))):
            yield OPENVINO, f"refuses '{node.name}', whose body reads '{names[0]}' from outside"


def verdicts(graph: onnx.GraphProto) -> list[tuple[str, ...]]:
    """Return for each engine the known obstacles in the file."""
    known: dict[str, str] = {}
    for engine, reason in obstacles(graph):
        known.setdefault(engine, reason)
    free = "nothing in the file is known to stop it"
    return [
        ("ONNX Runtime", "is the engine in which the file was compared with its source"),
        *((name, known.get(name, free)) for name in ENGINES),
    ]


def _reads_backwards(node: onnx.NodeProto) -> bool:
    direction = next((entry.s for entry in node.attribute if entry.name == "direction"), b"forward")
    return direction != b"forward" and any(node.input[_LENGTHS : _LENGTHS + 1])


def _scans_backwards(node: onnx.NodeProto) -> bool:
    names = {"scan_input_directions", "scan_output_directions"}
    return any(any(helper.get_attribute_value(entry)) for entry in node.attribute if entry.name in names)


def _captures(graph: onnx.GraphProto, loop: onnx.NodeProto) -> set[str]:
    """Return the tensors that a loop's body reads and that are computed outside it from the inputs of the model."""
    fixed = {tensor.name for tensor in graph.initializer}
    for node in graph.node:  # tensors that depend only on initializers are computed when the model is loaded
        if set(node.input) - {""} <= fixed and not [*nested(node)]:
            fixed.update(node.output)
    return read_inside(loop) - fixed
