"""How a host asks a model for labels that it was not trained on: it writes each label beside the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.interface.fields import Fields


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A list of labels that belong together, as a checkpoint stores one.

    Attributes:
        name: What it is called, unique in the model.
        label_type: The flair label type.
        labels: The labels, in the order in which they are asked for.
        multi_label: Whether a sentence as a whole may have several of them.
    """

    name: str
    label_type: str
    labels: tuple[str, ...]
    multi_label: bool

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        return {
            "name": self.name,
            "label_type": self.label_type,
            "labels": list(self.labels),
            "multi_label": self.multi_label,
        }

    @classmethod
    def from_metadata(cls, fields: Fields) -> LabelTask:
        """Return the task of an entry of the metadata.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        name, label_type, labels = fields.text("name"), fields.text("label_type"), fields.strings("labels")
        return cls(name, label_type, labels, fields.flag("multi_label"))


@dataclass(frozen=True, slots=True)
class LabelPairs:
    """How a label and a text become one text.

    Attributes:
        separator: What stands between the two, with a space on each side.
        label_first: Whether the label stands before the text, or after it.
        task: The name of the task that is asked for if a caller names no labels.
        tasks: The tasks of the checkpoint.
    """

    separator: str
    label_first: bool
    task: str
    tasks: tuple[LabelTask, ...]

    @property
    def current(self) -> LabelTask:
        """The task that is asked for if a caller names no labels."""
        return next(task for task in self.tasks if task.name == self.task)

    def text(self, label: str, tokens: str) -> str:
        """Return the text that a model reads for a label.

        Args:
            label: The label.
            tokens: The tokens of the sentence, joined by single spaces.
        """
        first, second = (label, tokens) if self.label_first else (tokens, label)
        return f"{first} {self.separator} {second}"

    def shift(self, label: str) -> int:
        """Return how many places the tokens of a sentence are moved, as flair counts them: the spaces, and one."""
        return len(label.split(" ")) + len(self.separator.split(" ")) if self.label_first else 0

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        tasks: list[Value] = [task.as_dict() for task in self.tasks]
        return {"separator": self.separator, "label_first": self.label_first, "task": self.task, "tasks": tasks}

    @classmethod
    def from_metadata(cls, fields: Fields) -> LabelPairs:
        """Return the record of a model's interface.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        tasks = tuple(LabelTask.from_metadata(entry) for entry in fields.objects("tasks"))
        name = fields.choice("task", [task.name for task in tasks])
        return cls(fields.text("separator"), fields.flag("label_first"), name, tasks)
