"""The tasks that the metadata of a model list."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from assembler.interface.fields import Fields, damaged, each
from assembler.interface.tasks import Task, TokenTask, read_task

if TYPE_CHECKING:
    from assembler.runtime.interface import Interface

_PLACE = "assembler.tasks"


def read_tasks(value: object, labels: tuple[str, ...], interface: Interface, file: str) -> tuple[Task, ...]:
    """Return the tasks that the metadata list, in order.

    Args:
        value: The parsed JSON of `assembler.tasks`; `None` in models of the first versions, which had one task at most.
        labels: The labels by class id of a model of such a version.
        interface: Its interface.
        file: The model's file, for the problems.

    Raises:
        ModelError: M013 for each field that is missing or damaged.
    """
    if value is None:
        return _only_task(labels, interface)
    if not isinstance(value, list):
        raise damaged(_PLACE, f"expected a list, got {type(value).__name__}", file)
    entries = [Fields.of(entry, f"{_PLACE}[{number}]", file) for number, entry in enumerate(value)]
    tasks = each(read_task, entries)
    for name, times in Counter(task.name for task in tasks).items():
        if times > 1:
            raise damaged(_PLACE, f"'{name}' occurs twice", file)
    return tasks


def _only_task(labels: tuple[str, ...], interface: Interface) -> tuple[Task, ...]:
    prediction, scores, tags = interface.output("prediction"), interface.output("scores"), interface.tags
    if prediction is None or scores is None or tags is None or not labels:
        return ()
    spans = "sequence_tagger" if tags.spans else "none"
    name = tags.label_type or "tags"
    return (TokenTask(name, tags.label_type, labels, ("O", "_"), spans, prediction, scores),)
