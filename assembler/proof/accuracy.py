"""The accuracy of a lossy model on gold text, compared with its source's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ParityError
from assembler.core.problems import Problem, suggest
from assembler.interface.examples import SENTENCES
from assembler.passes.profiles import PROFILES
from assembler.proof.gold_text import gold_error, read_gold
from assembler.proof.reference import Found
from assembler.proof.task_results import ModelTask
from assembler.runtime.spans import decode_classifier_spans, decode_spans
from assembler.spec.defaults import LARGEST_CHANGE
from assembler.weights.decisions import TokenLabels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from assembler.core.values import Value
    from assembler.description.source_tasks import SourceTask
    from assembler.proof.gold_text import GoldSentence
    from assembler.proof.parity import TaggedTokens
    from assembler.proof.stepwise_gaps import Gap
    from assembler.spec.stack_spec import Spec

    #: How a sentence's labels are counted: by the label of each token, or by its spans.
    Counted = frozenset[tuple[int, int, str]]

#: The loss of accuracy that is allowed if the spec sets none.
DEFAULT_LOSS = 0.002
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The shares of a gold text that the source and the model get right.

    Attributes:
        measure: `accuracy`, the share of tokens; or `span F1`, micro-averaged, where the tags are spans.
        source: The source's, from 0 to 1.
        model: The model's.
        allowed: How much less the model's may be.
        counted: The tokens, or the spans of the gold text.
    """

    measure: str
    source: float
    model: float
    allowed: float
    counted: int

    @property
    def kept(self) -> bool:
        """Whether the loss is within the limit."""
        return self.source - self.model <= self.allowed + 1e-12

    def __str__(self) -> str:
        """Return the figures in one sentence."""
        what = "spans" if self.measure == "span F1" else "tokens"
        return (
            f"{self.measure} on {self.counted} gold {what}: the source's {self.source:.2%}, the model's "
            f"{self.model:.2%}, a loss of {max(self.source - self.model, 0):.2%}; allowed are {self.allowed:.2%}"
        )

    def record(self) -> dict[str, Value]:
        """Return its entry in the `proof` record."""
        figures: dict[str, Value] = {"source": round(self.source, 6), "model": round(self.model, 6)}
        return {"gold": {"measure": self.measure, **figures, "loss_allowed": self.allowed, "counted": self.counted}}


@dataclass(frozen=True, slots=True, eq=False)
class GoldReference:
    """A gold text with the labels that the loaded model of the first task predicts.

    Attributes:
        spec: The spec.
        task: The task.
        gold: The sentences that source and model can both read.
        tagged: The loaded model's labels.
    """

    spec: Spec
    task: SourceTask
    gold: Sequence[GoldSentence]
    tagged: Sequence[TaggedTokens]

    @classmethod
    def of(
        cls,
        spec: Spec,
        tasks: Sequence[SourceTask],
        readable: Callable[[Sequence[Sequence[str]]], Sequence[Sequence[str]]],
    ) -> GoldReference | None:
        """Run the loaded model of the first task on the gold text; `None` without gold text or a lossy profile.

        Args:
            spec: The spec.
            tasks: The tasks with a loaded model.
            readable: Leaves out the sentences that the model cannot express.

        Raises:
            SpecError: The gold text cannot be read, or does not fit the task (W031).
        """
        gold = read_gold(spec)
        if not gold or not PROFILES[spec.profile].lossy:
            return None
        task = tasks[0] if tasks else None
        if task is None or task.model is None or task.task.by_sentence:
            raise gold_error(spec, "proof: gold text needs a model that labels tokens", "leave 'gold' out")
        kept = {tuple(tokens) for tokens in readable([each.tokens for each in gold])}
        read = [each for each in gold if each.tokens in kept]
        found = cls(spec, task, read, task.model.predict([each.tokens for each in read], _BATCH))
        found.require_labels()
        return found

    @property
    def against(self) -> str:
        """The name of the loaded model."""
        return "" if self.task.model is None else self.task.model.prefix

    def record(self) -> Mapping[str, Value]:
        """Return nothing: the figures are findings of the proof."""
        return {}

    def require_labels(self) -> None:
        """Refuse gold labels that the model cannot predict, because nothing would be measured on them.

        Raises:
            SpecError: There are such labels, or there are no labels at all (W031).
        """
        own = self.task.head.labels
        known = {label[2:] for label in own if label[1:2] == "-"} if self._spans else {*own}
        given = {label for each in self.gold for _, _, label in self._counted(each.labels, gold=True)}
        if not given:
            hint = "the model predicts spans: B-X begins one, I-X continues it" if self._spans else "name other text"
            raise gold_error(self.spec, f"proof: the gold text {self.spec.proof.gold} has nothing to count", hint)
        unknown = sorted(given - known)
        if unknown:
            listed = ", ".join(repr(label) for label in unknown[:5]) + (", …" if len(unknown) > 5 else "")  # noqa: PLR2004
            message = f"proof: the gold text {self.spec.proof.gold} has labels that '{self.against}' lacks: {listed}"
            raise gold_error(self.spec, message, suggest(unknown[0], known, what="its labels"))

    def prove(self, path: Path, diagnose: Callable[[], Sequence[Gap]]) -> Found:  # noqa: ARG002 - no part is at fault
        """Compare the accuracy of source and model.

        Raises:
            ParityError: The model loses more than is allowed (P004).
            ModelError: The model cannot be run (M010 to M015).
        """
        model = ModelTask(path, self.task.name)
        given = model.run(model.placed(SENTENCES.made_of([each.tokens for each in self.gold])), _BATCH)
        allowed = self.spec.proof.accuracy_loss
        accuracy = Accuracy(
            "span F1" if self._spans else "accuracy",
            self._share(self.tagged),
            self._share(given),
            DEFAULT_LOSS if allowed is None else allowed,
            sum(len(self._counted(each.labels, gold=True)) for each in self.gold),
        )
        if not accuracy.kept:
            message = f"the profile '{self.spec.profile}' loses more of '{self.against}' than it may: {accuracy}"
            hint = "nothing was written; choose an exact profile"
            if accuracy.source - accuracy.model <= LARGEST_CHANGE:
                hint += ", or allow more with 'accuracy_loss' in the spec's proof"
            else:
                hint += f": no spec may allow a loss of more than {LARGEST_CHANGE:.0%}"
            raise ParityError(Problem.at(self.spec.proof.gold_mark, "P004", message, hint))
        return Found(len(self.gold), 0, 0, 0.0, accuracy=accuracy)

    @property
    def _spans(self) -> bool:
        head = self.task.head
        return isinstance(head, TokenLabels) and head.spans

    def _counted(self, labels: Sequence[str], *, gold: bool = False) -> Counted:
        if not self._spans:
            return frozenset((place, place + 1, label) for place, label in enumerate(labels))
        by_token = not gold and getattr(self.task.head, "reading", "") == "token_classifier"
        spans = decode_classifier_spans(labels) if by_token else decode_spans(labels, [1.0] * len(labels))
        return frozenset((span.start, span.end, span.label) for span in spans)

    def _share(self, tagged: Sequence[TaggedTokens]) -> float:
        """Return the F1 of the counted items. With one label for each token this is the share of tokens."""
        right = whole = 0
        for each, given in zip(self.gold, tagged, strict=True):
            expected, found = self._counted(each.labels, gold=True), self._counted(given.labels)
            right += len(expected & found)
            whole += len(expected) + len(found)
        return 2 * right / whole if whole else 0.0
