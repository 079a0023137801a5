"""The tasks of a stack with the names, labels and rules from their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.interface.tasks import NumberTask, SentenceTask, TokenTask
from assembler.weights.decisions import SentenceLabels, SentenceNumbers, decisions_of

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.forms.opened import SourceModel
    from assembler.interface.tasks import Task as HostTask
    from assembler.sources.opening import OpenSources
    from assembler.weights.decisions import Decisions
    from assembler.wiring.graph import Wiring
    from assembler.wiring.stack_tasks import Task


@dataclass(frozen=True, slots=True, eq=False)
class SourceTask:
    """A task of the stack.

    Attributes:
        name: Its name for hosts: its type of labels, or its node if two have the same type.
        task: Its node and outputs.
        head: The decision of its model: the labels, and how they are read.
        model: The loaded model against which the task is proven; `None` if the decoder is not part of one.
    """

    name: str
    task: Task
    head: Decisions
    model: SourceModel | None

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        written = self._record().as_dict()
        return written | {"node": self.task.node, "outputs": dict(sorted(self.task.outputs.items()))}

    def _record(self) -> HostTask:
        head, outputs = self.head, self.task.outputs
        if isinstance(head, SentenceNumbers):
            return NumberTask(self.name, head.label_type, outputs["numbers"], texts=head.texts)
        common = self.name, head.label_type, tuple(head.labels), tuple(head.skipped)
        if isinstance(head, SentenceLabels):
            own = head.multi_label, tuple(head.thresholds), outputs["probabilities"]
            return SentenceTask(*common, *own, texts=head.texts)
        return TokenTask(*common, head.reading if head.spans else "none", outputs["prediction"], outputs["scores"])


def source_tasks(wiring: Wiring, sources: OpenSources) -> tuple[SourceTask, ...]:
    """Return the tasks whose labels are known, in order."""
    found = [(task, *_head(wiring, sources, task.node)) for task in wiring.tasks() if task.whole]
    known = [(task, head, model) for task, head, model in found if head is not None]
    types = [head.label_type for _, head, _ in known]
    unique = all(types) and len(set(types)) == len(types)
    return tuple(SourceTask(head.label_type if unique else task.node, task, head, model) for task, head, model in known)


def first_head(wiring: Wiring, sources: OpenSources) -> Decisions | None:
    """Return the decision of the model's first task.

    The top-level `labels` metadata describe this task for hosts that support one task only. This function also works
    for an incomplete task, such as a prediction without scores.
    """
    first = wiring.tasks()[:1]
    return _head(wiring, sources, first[0].node)[0] if first else _only_head(sources)


def _head(wiring: Wiring, sources: OpenSources, node: str) -> tuple[Decisions | None, SourceModel | None]:
    """Return the decision of the decoder's own model, which the proof runs, or else of the only head in the stack."""
    model = sources.model_behind(wiring.spec.graph[node].weights)
    decisions = None if model is None else model.decisions()
    return (_only_head(sources), None) if decisions is None else (decisions, model)


def _only_head(sources: OpenSources) -> Decisions | None:
    found = [decisions for each in sources.weights.values() if (decisions := decisions_of(each)) is not None]
    return found[0] if len(found) == 1 else None
