"""What operators with graphs read from outside, at any depth."""

from __future__ import annotations

import onnx
import onnx.parser

from assembler.onnx_model.nesting import all_nodes, inner_graphs, inner_names, read_by, read_inside, tensor_names

GRAPH = """
agraph (bool flag, float[N] x, float[N] far) => (float[N] y) {
    doubled = Add(x, x)
    y = If (flag) <
        then_branch = first () => (float[N] a) {
            own = Neg(doubled)
            a = If (flag) <
                then_branch = deep () => (float[N] b) { b = Mul(own, far) },
                else_branch = bare () => (float[N] c) { c = Identity(x) }
            >
        },
        else_branch = second () => (float[N] d) { d = Abs(doubled) }
    >
}
"""


def test_a_nested_graph_reads_what_none_of_its_own_graphs_makes() -> None:
    graph = onnx.parser.parse_graph(GRAPH)
    add, branch = graph.node
    assert read_by(add) == {"x"}
    assert read_inside(add) == inner_names(add) == set()
    assert read_inside(branch) == {"doubled", "flag", "far", "x"}
    assert read_by(branch) == {"doubled", "flag", "far", "x"}
    assert inner_names(branch) == {"own", "a", "b", "c", "d"}
    assert tensor_names(graph) == {"flag", "x", "far", "doubled", "y", "own", "a", "b", "c", "d"}


def test_a_branch_may_output_a_tensor_from_outside() -> None:
    graph = onnx.parser.parse_graph(GRAPH)
    [then, _] = [entry.g for entry in graph.node[1].attribute]
    del then.node[:]
    then.output[0].name = "far"
    assert read_inside(graph.node[1]) == {"doubled", "far"}


def test_graphs_come_before_those_in_them() -> None:
    graph = onnx.parser.parse_graph(GRAPH)
    assert [inner.name for inner in inner_graphs(graph)] == ["first", "deep", "bare", "second"]
    assert [node.op_type for node in all_nodes(graph)] == ["Add", "If", "Neg", "If", "Mul", "Identity", "Abs"]
