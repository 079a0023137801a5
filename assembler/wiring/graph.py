"""Wires a spec: names to ports, ports to types, types to each other.

It needs no weights and only the file of the spec.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import networkx as nx

from assembler.core.errors import SpecError
from assembler.core.problems import Known, Problem, in_order
from assembler.core.tensors import UNKNOWN, TensorType
from assembler.parts.kind import PartView, Port, Ports
from assembler.parts.registry import kinds, running
from assembler.wiring.references import Names, named_dims, resolve
from assembler.wiring.stack_tasks import Task, foreign_decisions, tasks_of
from assembler.wiring.unify import Unifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from assembler.parts.kind import Kind
    from assembler.spec.stack_spec import Node, Reference, Spec
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor on its way to an input port.

    Attributes:
        reference: Where it comes from, as written in the spec.
        node: The node it feeds.
        port: The port it feeds.
        index: Its place in the list of a variadic port, otherwise 0.
    """

    reference: Reference
    node: str
    port: str
    index: int

    def __str__(self) -> str:
        """Return `forward_lm.states → words.inputs`."""
        return f"{self.reference.text} → {self.node}.{self.port}"


@dataclass(frozen=True, slots=True)
class Wiring:
    """A spec whose parts fit together.

    Attributes:
        spec: The spec.
        order: The nodes, each after those that feed it.
        edges: For each node the edges that feed it, by port and index.
        inputs: For each node its input ports.
        outputs: For each node its output ports.
        views: For each node the view that its kind has of it, with the types that feed it.
        tensors: The type of every tensor, by `node.port` and by the name of each input.
    """

    spec: Spec
    order: tuple[str, ...]
    edges: Mapping[str, tuple[Edge, ...]]
    inputs: Mapping[str, tuple[Port, ...]]
    outputs: Mapping[str, tuple[Port, ...]]
    views: Mapping[str, PartView]
    tensors: Mapping[str, TensorType]

    def kind(self, node: str) -> Kind:
        """Return the kind of a node."""
        return kinds()[self.spec.graph[node].kind]

    def source_of(self, node: str) -> str | None:
        """Return the source that a node takes its weights from."""
        weights = self.spec.graph[node].weights
        return None if weights is None else weights.partition(".")[0]

    def tasks(self) -> tuple[Task, ...]:
        """Return the parts whose tags or labels the model outputs.

        A host that supports one task only uses the first.
        """
        return tasks_of(self.spec, self.outputs)

    def gives(self, output: str) -> str | None:
        """Return the meaning of an output of the first task: `prediction`, `scores`, `probabilities`."""
        return next((what for task in self.tasks()[:1] for what, name in task.outputs.items() if name == output), None)

    def feeding(self, node: str, port: str) -> tuple[Edge, ...]:
        """Return the edges into one port, in order."""
        return tuple(edge for edge in self.edges[node] if edge.port == port)

    def with_axes(self, found: Mapping[str, int], mistaken: Collection[str] = ()) -> Wiring:
        """Return the wiring with the numbers of axes that runs have shown, for outputs whose type is unknown.

        Args:
            found: The number of axes of outputs of the model, by their names.
            mistaken: Those whose files name another number, which is replaced.
        """
        tensors = dict(self.tensors)
        for name, axes in found.items():
            text = self.spec.outputs[name].reference.text
            if (tensors[text].dims is None and tensors[text].is_tensor) or name in mistaken:
                tensors[text] = TensorType(tensors[text].dtype, (None,) * axes)
        return replace(self, tensors=tensors)

    def digraph(self) -> nx.MultiDiGraph[str]:
        """Return the parts and the inputs as a graph; each edge has its `Edge` under the key `edge`."""
        return _digraph(self.spec, self.edges)


def wire(spec: Spec, weights: Mapping[str, Weights] | None = None) -> Wiring:
    """Wire a spec.

    Args:
        spec: The spec.
        weights: The weights of each node, if the sources were read: sizes are then known and compared too.

    Raises:
        SpecError: With every problem of meaning (W001 to W012, W020).
    """
    given = weights or {}
    views = {
        name: PartView(name, node.parameters, weights=given.get(name), opset=spec.opset)
        for name, node in spec.graph.items()
    }
    ports = {name: _ports(node, views[name]) for name, node in spec.graph.items()}
    names: Names = resolve(spec, ports)
    edges = {name: tuple(Edge(*entry) for entry in entries) for name, entries in names.edges.items()}
    problems = [*names.problems]
    graph = _digraph(spec, edges)
    loops = _cycles(graph, spec, edges)
    problems += [*loops, *_unused(graph, spec, names)]
    if any(problem.code in _BLOCKING for problem in problems):
        raise SpecError(*in_order(problems))
    order = tuple(_topological(graph, spec))
    typed = _Typing(spec, edges, views)
    for name in order:
        typed.add(name)
    problems += [*typed.unifier.problems, *foreign_decisions(spec, edges)]
    if problems:
        raise SpecError(*in_order(problems))
    return Wiring(spec, order, edges, typed.inputs, typed.outputs, typed.views, typed.tensors)


def _ports(node: Node, view: PartView) -> Ports:
    with running(node):
        return kinds()[node.kind].ports(view)


#: After one of these, types cannot be derived.
_BLOCKING = frozenset({"W001", "W002", "W005", "W008", "W009", "W010"})


def _digraph(spec: Spec, edges: Mapping[str, tuple[Edge, ...]]) -> nx.MultiDiGraph[str]:
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    graph.add_nodes_from([*spec.inputs, *spec.graph])
    for node in spec.graph:
        for edge in edges[node]:
            graph.add_edge(edge.reference.owner, node, edge=edge)
    return graph


def _topological(graph: nx.MultiDiGraph[str], spec: Spec) -> Iterable[str]:
    place = {name: index for index, name in enumerate([*spec.inputs, *spec.graph])}
    return (
        name for name in nx.lexicographical_topological_sort(graph, key=lambda name: place[name]) if name in spec.graph
    )


def _cycles(graph: nx.MultiDiGraph[str], spec: Spec, edges: Mapping[str, tuple[Edge, ...]]) -> list[Problem]:
    """Report one loop for each group of nodes that wait for each other."""
    place = {name: index for index, name in enumerate(spec.graph)}
    components = list(nx.strongly_connected_components(graph))
    number = {name: index for index, component in enumerate(components) for name in component}
    inner: list[list[tuple[str, str]]] = [[] for _ in components]
    for a, b in graph.edges():
        if number[a] == number[b]:
            inner[number[a]].append((a, b))
    problems = []
    for component, within in zip(components, inner, strict=True):
        first = min(component, key=lambda name: place.get(name, -1))
        if len(component) == 1 and not graph.has_edge(first, first):
            continue
        # A subgraph view would walk a set, so the reported loop would change from run to run.
        knot: nx.DiGraph[str] = nx.DiGraph()
        knot.add_edges_from(within)  # if they are passed to the constructor, older versions import numpy for them
        loop = [edge[0] for edge in nx.find_cycle(knot, first)]
        start = loop.index(min(loop, key=lambda name: place[name]))
        loop = [*loop[start:], *loop[:start]]
        message = f"a loop: {' → '.join([*loop, loop[0]])}"
        closing = next(edge for edge in edges[loop[0]] if edge.reference.owner == loop[-1])
        hint = f"'{loop[0]}' needs the output of '{loop[-1]}', which needs '{loop[0]}' first: cut one of these edges"
        if len(loop) == 1:
            hint = "a part cannot feed itself"
        problems.append(Problem.at(closing.reference.mark, "W005", message, hint))
    return problems


def _unused(wired: nx.MultiDiGraph[str], spec: Spec, names: Names) -> list[Problem]:
    """Report nodes and inputs from which no output can be reached, and sources that nothing names."""
    if names.guesses.spent:  # with so many wrong names it is unknown what they mean, and so which parts are unused
        return []
    graph = wired.copy()
    graph.add_edges_from(names.hunches)
    reached = _behind(graph, names.outputs)
    problems = []
    for name, node in spec.graph.items():
        if name not in reached:
            message = f"the part '{name}' feeds no output of the model"
            problems.append(Problem.at(node.mark, "W006", message, "feed it on, name it under 'outputs', or remove it"))
    for name, entry in spec.inputs.items():
        if not graph.out_degree(name):
            message = f"the input '{name}' feeds no part"
            problems.append(Problem.at(entry.mark, "W007", message, "feed it to a part, or remove it"))
    named = {path.source for node in spec.graph.values() for path in node.paths} | {spec.proof.against}
    sources = Known(spec.sources)
    used = named | {names.guesses.nearest(name, sources) for name in named if name}  # a typo is reported once
    if names.guesses.spent:
        return problems
    for name, source in spec.sources.items():
        if name not in used:
            message = f"no part takes its weights from the source '{name}'"
            problems.append(Problem.at(source.mark, "W012", message, "name it under 'weights', or remove it"))
    return problems


def _behind(graph: nx.MultiDiGraph[str], wanted: Iterable[str]) -> set[str]:
    """Return the nodes that are wanted, and all that they need."""
    reached = set(wanted)
    pending = list(reached)
    while pending:
        new = set(graph.predecessors(pending.pop())) - reached
        reached |= new
        pending += new
    return reached


class _Typing:
    """Assigns every tensor its type, part by part."""

    def __init__(self, spec: Spec, edges: Mapping[str, tuple[Edge, ...]], views: Mapping[str, PartView]) -> None:
        self._spec = spec
        self._edges = edges
        self.views = dict(views)
        self.inputs: dict[str, tuple[Port, ...]] = {}
        self.outputs: dict[str, tuple[Port, ...]] = {}
        self.tensors = {name: entry.type for name, entry in spec.inputs.items()}
        self.unifier = Unifier(named_dims(spec))

    def add(self, name: str) -> None:
        node: Node = self._spec.graph[name]
        arriving: dict[str, list[TensorType]] = {}
        for edge in self._edges[name]:
            arriving.setdefault(edge.port, []).append(self.tensors.get(edge.reference.text, UNKNOWN).without_open())
        view = replace(self.views[name], inputs=arriving)
        self.views[name] = view
        with running(node):
            complaints = list(kinds()[node.kind].check(view))
        for complaint in complaints:
            mark = self._spec.document.mark(("graph", name, *complaint.path))
            self.unifier.problems.append(Problem.at(mark, "W020", f"{name}: {complaint.message}", complaint.hint))
        ports = _ports(node, view)
        self.inputs[name] = ports.inputs or tuple(Port(port, any_value=True) for port in arriving)
        self.outputs[name] = ports.outputs or ()
        patterns = {port.name: port for port in self.inputs[name]}
        meeting = self.unifier.meet(name)
        for edge in self._edges[name]:
            source = self.tensors.get(edge.reference.text, UNKNOWN)
            port = patterns[edge.port]
            meeting.accept(str(edge), edge.reference.mark, source, port.type, any_value=port.any_value)
        for port in ports.outputs or ():
            self.tensors[f"{name}.{port.name}"] = meeting.give(port.type)
