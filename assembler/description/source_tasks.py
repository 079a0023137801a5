"""The tasks of a stack with what their sources say of them: names, labels, rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from assembler.weights.documents import TextHeadWeights
from assembler.weights.heads import TaggerHeadWeights

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.flair_checkpoints.source import FlairSource
    from assembler.sources.opening import OpenSources
    from assembler.wiring.graph import Wiring
    from assembler.wiring.tasks import Task

#: The predicted classes that flair writes no label for, by the class of flair's (ST 551-554, nn/model.py 871 and 898).
_SKIPPED = {"sequence_tagger": ("O", "_"), "token_classifier": ("O",), "text_classifier": ("O",)}

Head: TypeAlias = "TaggerHeadWeights | TextHeadWeights"


@dataclass(frozen=True, slots=True, eq=False)
class SourceTask:
    """A task of the stack.

    Attributes:
        name: What hosts call it: its type of labels, or its node where two have the same type.
        task: Its node and outputs.
        head: The head of its model, with the labels.
        model: The loaded model, which the task is proven against; `None` where the decoder is no part of one.
    """

    name: str
    task: Task
    head: Head
    model: FlairSource | None

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        head, outputs = self.head, dict(self.task.outputs)
        record: dict[str, Value] = {"name": self.name, "node": self.task.node, "label_type": head.label_type}
        record |= {"labels": list(head.labels), "outputs": dict(sorted(outputs.items()))}
        if isinstance(head, TextHeadWeights):
            thresholds: list[Value] = list(head.thresholds)
            several: dict[str, Value] = {"multi_label": head.multi_label, "thresholds": thresholds}
            return record | several | {"reads": "sentences", "skipped": list(_SKIPPED["text_classifier"])}
        spans = "none" if not head.spans else head.reading
        return record | {"reads": "tokens", "spans": spans, "skipped": list(_SKIPPED[head.reading])}


def source_tasks(wiring: Wiring, sources: OpenSources) -> tuple[SourceTask, ...]:
    """Return the tasks whose labels are known, the first first."""
    found = [(task, *_head(wiring, sources, task.node)) for task in wiring.tasks() if task.whole]
    known = [(task, head, model) for task, head, model in found if head is not None]
    types = [head.label_type for _, head, _ in known]
    unique = all(types) and len(set(types)) == len(types)
    return tuple(SourceTask(head.label_type if unique else task.node, task, head, model) for task, head, model in known)


def first_head(wiring: Wiring, sources: OpenSources) -> Head | None:
    """Return the head of the first task, whose labels a host finds that knows but one; also of half a task."""
    first = wiring.tasks()[:1]
    return _head(wiring, sources, first[0].node)[0] if first else _only_head(sources)


def _head(wiring: Wiring, sources: OpenSources, node: str) -> tuple[Head | None, FlairSource | None]:
    """Return the head of the decoder's own model, which is what the proof runs; else the only head there is."""
    model = sources.model_behind(wiring.spec.graph[node].weights)
    if model is not None and model.tagger is not None:
        return model.head(), model
    return _only_head(sources), None


def _only_head(sources: OpenSources) -> Head | None:
    heads = [each for each in sources.weights.values() if isinstance(each, TaggerHeadWeights | TextHeadWeights)]
    return heads[0] if len(heads) == 1 else None
