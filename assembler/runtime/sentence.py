"""A sentence with its tags."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from assembler.runtime.token import places

if TYPE_CHECKING:
    from assembler.runtime.spans import Span


@dataclass(frozen=True, slots=True)
class TaskTags:
    """The result of one task for one sentence.

    Attributes:
        labels: One label per token, `O` included.
        scores: One score per token: the float32 that the model gave.
        spans: The spans in order; empty where the tags are no spans, or where token labels were asked for.
    """

    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    spans: tuple[Span, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the tags as values that `json.dumps` takes, with the names of the attributes as keys."""
        spans = [asdict(span) for span in self.spans]
        return {"labels": list(self.labels), "scores": list(self.scores), "spans": spans}


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """The result of a tagger for one sentence. Labels, scores and spans are those of the model's first task.

    Attributes:
        tokens: The tokens that were tagged: those of the caller without the empty ones, which flair drops.
        labels: One label per token, `O` included.
        scores: One score per token: the float32 that the model gave.
        spans: The spans in order; empty where the tags are no spans, or where token labels were asked for.
        task: The name of the first task.
        further: The results of the other tasks, by name.
    """

    tokens: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    spans: tuple[Span, ...] = ()
    task: str = field(default="", compare=False)
    further: tuple[tuple[str, TaskTags], ...] = ()

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """Where each token starts and ends in the raw text, in code points; empty if the caller passed tokens."""
        return places(self.tokens)

    @property
    def tasks(self) -> dict[str, TaskTags]:
        """The result of each task, by its name. The sentence itself has the result of the first."""
        return {self.task: TaskTags(self.labels, self.scores, self.spans), **dict(self.further)}

    def as_dict(self) -> dict[str, object]:
        """Return the sentence as values that `json.dumps` takes, with the names of the attributes as keys.

        For a model with several tasks, `tasks` has the tags of each by its name. For raw text, `offsets` has the place
        of each token in it; the place of a span is from its first token to its last.
        """
        record = {"tokens": list(self.tokens), **TaskTags(self.labels, self.scores, self.spans).as_dict()}
        if self.offsets:
            record["offsets"] = [list(place) for place in self.offsets]
        if self.further:
            record["tasks"] = {name: tags.as_dict() for name, tags in self.tasks.items()}
        return record
