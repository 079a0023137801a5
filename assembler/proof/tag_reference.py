"""The reference of models that decide: the labels and scores of the loaded models themselves, task by task."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.proof.batch_plan import largest, planned, width
from assembler.proof.budget import Count, Losses, require_kept
from assembler.proof.measured_text import allowed_share, alone_and_together
from assembler.proof.noise import Tolerance, excused
from assembler.proof.parity import BATCH_SIZES, Comparison, compare
from assembler.proof.reference import Found
from assembler.proof.reporting import divergence_lines, failure_hint
from assembler.proof.task_results import ModelTask, source_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from assembler.core.values import Value
    from assembler.description.source_tasks import SourceTask
    from assembler.interface.examples import Example
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.measured_text import MeasuredText
    from assembler.proof.parity import TaggedTokens
    from assembler.proof.stepwise_gaps import Gap
    from assembler.spec.stack_spec import Spec

#: Longer texts run alone through a lossy model, because a batch is padded to its longest text.
_LONG = 200
#: How many sentences the model carries with their tags, so that `verify` can try it anywhere.
_GOLDEN = 8
_GOLDEN_DIGITS = 4


def compared_in(sentences: Sequence[Sequence[str]], fixed: int | None, *, lossy: bool) -> tuple[tuple[int, ...], str]:
    """Return the batch sizes of a comparison, and in words which sentences run in which batches.

    Args:
        sentences: The sentences.
        fixed: The sentences that each run of the model has, or `None` for any number.
        lossy: Whether the model is measured. The batches of its hard sentences, on which nothing is counted, are only
            described in words.
    """
    if lossy:
        sizes = sorted({1, min(BATCH_SIZES[-1], fixed or BATCH_SIZES[-1])})
        words = f"each fourth and those over {_LONG} characters alone, the others in batches of {sizes[-1]}"
        return tuple(sizes), f"{words} (hard ones in batches of like and of mixed lengths, and alone)"
    plan = planned([width(tokens) for tokens in sentences], range(len(sentences)), fixed)
    return plan.sizes(), str(plan)


@dataclass(frozen=True, slots=True, eq=False)
class TagReference:
    """The labels and scores of one loaded model.

    Attributes:
        spec: The spec.
        task: The name of the task in the model.
        by_sentence: Whether sentences are labelled, not tokens.
        against: The model, as the spec calls it.
        examples: What is labelled in the proof, one for each of its sentences.
        tagged: The loaded model's labels and scores.
        carried: The examples that the model carries: the first few, without those with halves of surrogate pairs,
            which the metadata cannot hold.
        golden: Their labels and scores, run without the others: an encoder may read the neighbours too.
        fixed: The sentences that each run of the model has, or `None` for any number.
        measured: Which of the sentences a lossy model is measured on; `None` for an exact one.
    """

    spec: Spec
    task: str
    by_sentence: bool
    against: str
    examples: Sequence[Example]
    tagged: Sequence[TaggedTokens]
    carried: Sequence[Example]
    golden: Sequence[TaggedTokens]
    fixed: int | None = None
    measured: MeasuredText | None = None

    @classmethod
    def of(
        cls,
        spec: Spec,
        task: SourceTask,
        sentences: Sequence[Sequence[str]],
        fixed: int | None = None,
        measured: MeasuredText | None = None,
    ) -> TagReference:
        """Run the loaded model of a task on the sentences."""
        if task.model is None:
            raise TypeError(task.name)
        by_sentence = task.task.by_sentence
        examples = task.head.texts.made_of(sentences)
        tagged = source_results(task.model, task.head, examples)
        first = [place for place, example in enumerate(examples) if _is_utf8(example.tokens)][:_GOLDEN]
        carried = [examples[place] for place in first]
        golden: Sequence[TaggedTokens] = [tagged[place] for place in first]
        if task.model.reads_neighbours():
            golden = source_results(task.model, task.head, carried)
        most = fixed if fixed is None else max(1, fixed // task.head.texts.at_once)
        return cls(spec, task.name, by_sentence, task.model.prefix, examples, tagged, carried, golden, most, measured)

    @property
    def sentences(self) -> list[tuple[str, ...]]:
        """The sentences of the proof."""
        return [example.texts[0] for example in self.examples]

    def prove(self, path: Path, diagnose: Diagnosis) -> Found:
        """Compare in every kind of batch; for a lossy model, measure its changes.

        Raises:
            ParityError: A label differs, or a score differs by more than the tolerance (P001); or a lossy model was
                measured on too little text (P009).
            ModelError: The model cannot be run (M010 to M015).
        """
        if self.measured is not None:
            return self._measure(path, self.measured)
        comparison = self.compare(self._model(path), range(len(self.examples)))
        tolerance = Tolerance(self.spec.proof.scores_within)
        if not comparison.equal:
            if not comparison.tags_changed:
                tolerance = excused(self.spec, diagnose, self.task, comparison.largest)
            if comparison.tags_changed or not comparison.largest <= tolerance.within:
                raise ParityError(self._problem(comparison, tolerance, diagnose()))
        tokens, classes = (0, comparison.tokens) if self.by_sentence else (comparison.tokens, 0)
        return Found(comparison.sentences, tokens, classes, comparison.largest, tolerance=tolerance)

    def _measure(self, path: Path, measured: MeasuredText) -> Found:
        """Count the tags that a lossy model changes, each token once. Hard sentences must still produce numbers.

        Raises:
            ParityError: There are more than allowed (P001), or the text is too short (P009).
        """
        judged = sorted({place for places in measured.judged.values() for place in places})
        hard = sorted({*range(len(self.examples))} - {*judged, *measured.elsewhere})
        model = self._model(path)
        found = [self._counted(model, places) for places in (judged, measured.elsewhere)]
        gaps = [entry.largest for entry in found] + ([self.compare(model, hard).largest] if hard else [])
        counts = [Count(entry.tags_changed, entry.compared) for entry in found]
        allowed = allowed_share(self.spec) or 0.0
        on = tuple(measured.judged)
        losses = Losses(counts[0], on, allowed, max(gaps), self._own_golden(model), counts[1])
        require_kept(self.spec, self.against, losses, found[0].worst)
        tokens, classes = (0, found[0].compared) if self.by_sentence else (found[0].compared, 0)
        return Found(len(judged), tokens, classes, losses.largest, losses)

    def _model(self, path: Path) -> ModelTask:
        return ModelTask(path, self.task)

    def _counted(self, model: ModelTask, places: Sequence[int]) -> Comparison:
        """Compare some of the sentences, each once, alone or in a batch."""
        is_long = [sum(map(len, example.tokens)) > _LONG for example in self.examples]
        batches = [(size, [own]) for size, own in alone_and_together(places, is_long) if own]
        return self._compared(model, places, batches)

    def _own_golden(self, model: ModelTask) -> Mapping[str, Value]:
        """Return the record with the model's own tags of the first sentences."""
        return replace(self, golden=model.run(model.placed(self.carried), len(self.carried))).record()

    def compare(self, model: ModelTask, places: Sequence[int]) -> Comparison:
        """Run a written model on the sentences at some places, in every kind of batch, and compare."""
        plan = planned([width(example.tokens) for example in self.examples], places, self.fixed)
        return self._compared(model, places, [(largest(kind), kind) for kind in plan.kinds()])

    def _compared(
        self, model: ModelTask, places: Sequence[int], kinds: Iterable[tuple[int, Sequence[Sequence[int]]]]
    ) -> Comparison:
        """Compare the sentences at some places in batches, with the size of each kind."""
        whole, found = model.placed(self.examples), []
        for size, batches in kinds:
            own = [place for batch in batches for place in batch]
            results = [each for batch in batches for each in model.run([whole[place] for place in batch], size)]
            shown = [self.examples[place].shown for place in own]
            sides = shown, [self.tagged[place] for place in own], [(size, results)]
            found.append(compare(*sides, self.spec.proof.scores_within, by_sentence=self.by_sentence))
        worst = [difference for entry in found for difference in entry.worst]
        return Comparison(
            sentences=len(places),
            tokens=sum(len(self.tagged[place].labels) for place in places),
            tags_changed=sum(entry.tags_changed for entry in found),
            largest=max((entry.largest for entry in found), default=0.0),
            within=self.spec.proof.scores_within,
            worst=tuple(sorted(worst, key=lambda entry: entry.source[0] == entry.model[0]))[:5],
            compared=sum(entry.compared for entry in found),
        )

    def record(self) -> Mapping[str, Value]:
        """Return the first sentences with their tags."""
        golden: list[Value] = []
        for example, tagged in zip(self.carried, self.golden, strict=True):
            # JSON has no NaN. If a source computes NaN, the file must still be readable, so that the comparison can say
            # so
            scores: list[Value] = [
                round(each, _GOLDEN_DIGITS) if math.isfinite(each) else None for each in tagged.scores
            ]
            golden.append({**example.as_dict(), "labels": list(tagged.labels), "scores": scores})
        return {"task": self.task, "against": self.against, "golden": golden}

    def _problem(self, comparison: Comparison, tolerance: Tolerance, gaps: Sequence[Gap]) -> Problem:
        summary = (
            f"the model does not reproduce the tags and scores of '{self.against}': {comparison.tags_changed} tags "
            f"differ, the largest difference of a score is {comparison.largest:.3g}, allowed is {_in_words(tolerance)}"
        )
        lines = [summary, *(f"  {difference}" for difference in comparison.worst), *divergence_lines(gaps)]
        hint = failure_hint(comparison.tags_changed, comparison.largest)
        return Problem.at(self.spec.proof.mark, "P001", "\n".join(lines), hint)


def _in_words(tolerance: Tolerance) -> str:
    return f"{tolerance.within:.3g}" if tolerance.noise is None else str(tolerance)


def _is_utf8(tokens: Sequence[str]) -> bool:
    return not any("\ud800" <= character <= "\udfff" for token in tokens for character in token)
