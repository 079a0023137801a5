"""The tasks of a stack: the parts whose tags or labels a host reads from the model's outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.problems import Problem
from assembler.forms.registry import form_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.parts.kind import Port
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Edge

#: What a host needs: a class and its score for each token; the probability of each class for each sentence, or its
#: number.
_WHOLE = (frozenset({"prediction", "scores"}), frozenset({"probabilities"}), frozenset({"numbers"}))
#: The outputs of the part that decides. Other parts describe its decision further: labels as text, spans.
_DECIDED = frozenset({"prediction", "scores", "probabilities", "numbers"})


@dataclass(frozen=True, slots=True)
class Task:
    """A part that decides, and the model's outputs with its decisions.

    Attributes:
        node: The part.
        outputs: For each meaning that a host reads (`parts.kind.Port.gives`) the output of the model.
    """

    node: str
    outputs: Mapping[str, str]

    @property
    def whole(self) -> bool:
        """Whether the model has all outputs that a host needs."""
        return any(needed <= set(self.outputs) for needed in _WHOLE)

    @property
    def by_sentence(self) -> bool:
        """Whether it labels sentences, or examples of several texts, not tokens."""
        return bool({"probabilities", "numbers"} & set(self.outputs))


def tasks_of(spec: Spec, ports: Mapping[str, tuple[Port, ...]]) -> tuple[Task, ...]:
    """Return the tasks of a spec: complete ones first, among them the one of the proof's source, then by outputs.

    Args:
        spec: The spec.
        ports: For each node its output ports.
    """
    found: dict[str, dict[str, str]] = {}
    for name, output in spec.outputs.items():
        node = output.reference.owner
        for port in ports[node]:
            if port.name == output.reference.port and port.gives is not None:
                found.setdefault(node, {}).setdefault(port.gives, name)
    against = spec.proof.against
    tasks = [
        Task(node, {**outputs, **_descriptions(spec, found, node)})
        for node, outputs in found.items()
        if _DECIDED & set(outputs)
    ]

    def rank(task: Task) -> tuple[bool, bool]:
        weights = spec.graph[task.node].weights or ""
        return not task.whole, against is not None and weights.partition(".")[0] != against

    return tuple(sorted(tasks, key=rank))


def _descriptions(spec: Spec, found: Mapping[str, Mapping[str, str]], decider: str) -> dict[str, str]:
    """Return the outputs of parts that only describe a decision: those of its own model, or without weights."""
    said: dict[str, str] = {}
    model = (spec.graph[decider].weights or "").rpartition(".")[0]
    for node, outputs in found.items():
        weights = spec.graph[node].weights
        if not _DECIDED & set(outputs) and (weights is None or weights.rpartition(".")[0] == model):
            said.update(outputs)
    return said


def _knows_labels(spec: Spec, weights: str) -> bool:
    """Return whether weights belong to a part that has the labels of its model."""
    source = spec.sources.get(weights.partition(".")[0])
    return source is not None and weights.rpartition(".")[2] in form_of(source).heads


def foreign_decisions(spec: Spec, edges: Mapping[str, Sequence[Edge]]) -> Iterator[Problem]:
    """Yield a problem (W022) for each part that labels the classes of another model than its own."""
    for name, node in spec.graph.items():
        for edge in edges[name]:
            decider = spec.graph.get(edge.reference.owner)
            if edge.port != "prediction" or node.weights is None or decider is None or decider.weights is None:
                continue
            own, others = (each.rpartition(".")[0] for each in (node.weights, decider.weights))
            if own != others and all(_knows_labels(spec, each) for each in (node.weights, decider.weights)):
                message = (
                    f"{name}: has the labels of '{own}', but the classes of '{decider.name}' are those of '{others}'"
                )
                hint = f"write weights: {others}.{node.weights.rpartition('.')[2]}"
                yield Problem.at(edge.reference.mark, "W022", message, hint)
