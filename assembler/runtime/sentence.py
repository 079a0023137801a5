"""A sentence with its tags."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from assembler.runtime.token import places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assembler.runtime.spans import Span


@dataclass(frozen=True, slots=True)
class TaskTags:
    """The result of one task for one sentence.

    Attributes:
        labels: One label per token, `O` included.
        scores: One score per token: the float32 that the model gave.
        spans: The spans in order; empty where the tags are no spans, or where token labels were asked for.
        classes: The label of each class by its id, where the probabilities of all classes were asked for; else empty.
        probabilities: For each token the probability of each class, float32 from the model; empty if not asked for. As
            in flair, the label of a token has the largest, also where a CRF chose another class than the most probable
            one: their two numbers are exchanged.
        embeddings: The vectors that the head read, float32 `[tokens, features]`; `None` if not asked for, and for a
            sentence without tokens.
    """

    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    spans: tuple[Span, ...] = ()
    classes: tuple[str, ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()
    embeddings: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, object]:
        """Return the tags as values that `json.dumps` takes, with the names of the attributes as keys.

        Where they were asked for, `probabilities` has for each token the probability of each class by its label.
        """
        spans = [asdict(span) for span in self.spans]
        record: dict[str, object] = {"labels": list(self.labels), "scores": list(self.scores), "spans": spans}
        if self.classes:
            record["probabilities"] = [dict(zip(self.classes, row, strict=True)) for row in self.probabilities]
        return record


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
        classes: As in `TaskTags`.
        probabilities: As in `TaskTags`.
        embeddings: As in `TaskTags`.
    """

    tokens: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    spans: tuple[Span, ...] = ()
    task: str = field(default="", compare=False)
    further: tuple[tuple[str, TaskTags], ...] = ()
    classes: tuple[str, ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()
    embeddings: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def tags(self) -> TaskTags:
        """The result of the first task."""
        return TaskTags(self.labels, self.scores, self.spans, self.classes, self.probabilities, self.embeddings)

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """Where each token starts and ends in the raw text, in code points; empty if the caller passed tokens."""
        return places(self.tokens)

    @property
    def tasks(self) -> dict[str, TaskTags]:
        """The result of each task, by its name. The sentence itself has the result of the first."""
        return {self.task: self.tags, **dict(self.further)}

    def as_dict(self) -> dict[str, object]:
        """Return the sentence as values that `json.dumps` takes, with the names of the attributes as keys.

        For a model with several tasks, `tasks` has the tags of each by its name. For raw text, `offsets` has the place
        of each token in it; the place of a span is from its first token to its last.
        """
        record = {"tokens": list(self.tokens), **self.tags.as_dict()}
        if self.offsets:
            record["offsets"] = [list(place) for place in self.offsets]
        if self.further:
            record["tasks"] = {name: tags.as_dict() for name, tags in self.tasks.items()}
        return record
