"""The reference of models that decide: the labels and scores of the loaded models themselves, task by task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assembler.errors import ParityError
from assembler.problems import Problem
from assembler.proof.budget import budget_problem, measured_losses
from assembler.proof.noise import Tolerance, excused
from assembler.proof.parity import BATCH_SIZES, Comparison, compare
from assembler.proof.reference import Found
from assembler.proof.reporting import divergence_lines, failure_hint
from assembler.proof.task_results import ModelTask, source_results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.parity import TaggedTokens
    from assembler.proof.stepwise import Gap
    from assembler.spec.model import Spec
    from assembler.spec.yaml_text import Value
    from assembler.tasks import SourceTask

#: How many sentences are tried one by one; in the other batch shapes it is all of them.
_ONE_BY_ONE = 24
#: Texts of more characters are left out of batches of more than an odd few: the states of one such text take as many
#: bytes as thirty short ones, and a batch is padded to its longest text.
_LONG, _ODD = 200, 7
#: How many sentences with their tags the model carries, so that `verify` can try it anywhere.
_GOLDEN = 8
_GOLDEN_DIGITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class TagReference:
    """The labels and scores of one loaded model.

    Attributes:
        spec: The spec.
        task: What the model calls the task.
        by_sentence: Whether sentences are labelled, not tokens.
        against: The model, as the spec calls it.
        sentences: The sentences of the proof.
        tagged: The loaded model's labels and scores.
        carried: The sentences that the model carries: the first few, but for halves of surrogate pairs, which the
            metadata cannot hold.
        golden: Their labels and scores, run without the others: an encoder may read the neighbours too.
    """

    spec: Spec
    task: str
    by_sentence: bool
    against: str
    sentences: Sequence[Sequence[str]]
    tagged: Sequence[TaggedTokens]
    carried: Sequence[Sequence[str]]
    golden: Sequence[TaggedTokens]

    @classmethod
    def of(cls, spec: Spec, task: SourceTask, sentences: Sequence[Sequence[str]]) -> TagReference:
        """Run the loaded model of a task on the sentences."""
        if task.model is None:
            raise TypeError(task.name)
        by_sentence = task.task.by_sentence
        tagged = source_results(task.model, sentences, by_sentence=by_sentence)
        first = [place for place, tokens in enumerate(sentences) if _is_utf8(tokens)][:_GOLDEN]
        carried = [sentences[place] for place in first]
        golden: Sequence[TaggedTokens] = [tagged[place] for place in first]
        if task.model.reads_neighbours():
            golden = source_results(task.model, carried, by_sentence=by_sentence)
        return cls(spec, task.name, by_sentence, task.model.prefix, sentences, tagged, carried, golden)

    def prove(self, path: Path, diagnose: Diagnosis) -> Found:
        """Compare in every batch shape.

        Raises:
            ParityError: A label differs, or a score by more than is allowed (P001).
            ModelError: The model cannot be run (M010 to M015).
        """
        comparison = self.compare(path)
        losses = measured_losses(self.spec, comparison, lambda: self._own_golden(path))
        if losses is not None and not losses.kept:
            raise ParityError(budget_problem(self.spec, self.against, comparison, losses))
        tolerance = Tolerance(self.spec.proof.scores_within)
        if losses is None and not comparison.equal:
            if not comparison.tags_changed:
                tolerance = excused(self.spec, diagnose, self.task, comparison.largest)
            if comparison.tags_changed or not comparison.largest <= tolerance.within:
                raise ParityError(self._problem(comparison, tolerance, diagnose()))
        tokens, classes = (0, comparison.tokens) if self.by_sentence else (comparison.tokens, 0)
        return Found(comparison.sentences, tokens, classes, comparison.largest, losses, tolerance=tolerance)

    def _own_golden(self, path: Path) -> Mapping[str, Value]:
        """Return the record with the model's own tags of the first sentences."""
        model = ModelTask(path, self.task, by_sentence=self.by_sentence)
        return replace(self, golden=model.run(model.placed(self.carried), len(self.carried))).record()

    def compare(self, path: Path) -> Comparison:
        """Run a written model on the sentences, in every batch shape, and compare."""
        model = ModelTask(path, self.task, by_sentence=self.by_sentence)
        whole = model.placed(self.sentences)
        comparisons = []
        for size in BATCH_SIZES:
            chosen = list(zip(whole, self.tagged, strict=True))
            if size != _ODD:  # long texts cost most of the time, and are read in one shape as in another
                chosen = [pair for pair in chosen if sum(map(len, pair[0].tokens)) <= _LONG] or chosen
            if size == 1:
                chosen = chosen[-_ONE_BY_ONE:]  # the hard sentences, which are the last, and some of the spec's
            sentences, tagged = [pair[0] for pair in chosen], [pair[1] for pair in chosen]
            results = model.run(sentences, size)
            within = self.spec.proof.scores_within
            comparisons.append(
                compare(
                    [each.tokens for each in sentences], tagged, [(size, results)], within, by_sentence=self.by_sentence
                )
            )
        worst = [difference for entry in comparisons for difference in entry.worst]
        return Comparison(
            sentences=max(entry.sentences for entry in comparisons),
            tokens=max(entry.tokens for entry in comparisons),
            tags_changed=sum(entry.tags_changed for entry in comparisons),
            largest=max(entry.largest for entry in comparisons),
            within=self.spec.proof.scores_within,
            worst=tuple(sorted(worst, key=lambda entry: entry.source[0] == entry.model[0]))[:5],
            compared=sum(entry.compared for entry in comparisons),
            most_changed=max(entry.tags_changed for entry in comparisons),
        )

    def record(self) -> Mapping[str, Value]:
        """Return the first sentences with their tags."""
        golden: list[Value] = []
        for tokens, tagged in zip(self.carried, self.golden, strict=True):
            scores: list[Value] = [round(score, _GOLDEN_DIGITS) for score in tagged.scores]
            golden.append({"tokens": list(tokens), "labels": list(tagged.labels), "scores": scores})
        return {"task": self.task, "against": self.against, "golden": golden}

    def _problem(self, comparison: Comparison, tolerance: Tolerance, gaps: Sequence[Gap]) -> Problem:
        summary = (
            f"the model does not give the tags and scores of '{self.against}': {comparison.tags_changed} tags differ, "
            f"the largest difference of a score is {comparison.largest:.3g}, allowed is {_shown(tolerance)}"
        )
        lines = [summary, *(f"  {difference}" for difference in comparison.worst), *divergence_lines(gaps)]
        hint = failure_hint(comparison.tags_changed, comparison.largest)
        return Problem.at(self.spec.proof.mark, "P001", "\n".join(lines), hint)


def _shown(tolerance: Tolerance) -> str:
    return f"{tolerance.within:.3g}" if tolerance.noise is None else str(tolerance)


def _is_utf8(tokens: Sequence[str]) -> bool:
    return not any("\ud800" <= character <= "\udfff" for token in tokens for character in token)
