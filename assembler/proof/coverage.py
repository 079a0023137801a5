"""The coverage of a proof, and the least coverage with which it is called a proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.passes.profiles import PROFILES
from assembler.proof.task_results import NOT
from assembler.spec.defaults import LEAST
from assembler.weights.decisions import TokenLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.core.values import Value
    from assembler.description.source_tasks import SourceTask
    from assembler.proof.decoders import Tried
    from assembler.proof.parity import TaggedTokens
    from assembler.proof.samples import ProofText
    from assembler.spec.stack_spec import Spec


#: The outputs of a file that decodes spans itself.
_SPAN_OUTPUTS = frozenset({"span_start", "span_end", "span_label"})


@dataclass(frozen=True, slots=True)
class TaskCoverage:
    """The coverage of one task. It comes from the source, so it is the same on every machine.

    Attributes:
        task: Its name in the model.
        seen: The different labels that the source predicted.
        labels: How many labels the model has.
        spans: The spans that the source found; `None` if its tags are not spans.
        decodes: Whether the file itself outputs spans.
    """

    task: str
    seen: int
    labels: int
    spans: int | None
    decodes: bool = False

    def __str__(self) -> str:
        """Return the figures."""
        spans = "" if self.spans is None else f", {self.spans} spans"
        return f"{self.seen} of {self.labels} labels{spans}"

    def record(self) -> dict[str, Value]:
        """Return its entry in the metadata."""
        found: dict[str, Value] = {"task": self.task, "labels": self.seen, "of_labels": self.labels}
        return found if self.spans is None else {**found, "spans": self.spans}


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a proof covered.

    Attributes:
        sentences: The sentences that were compared; 0 if there were none.
        tokens: Their tokens.
        lengths: The different numbers of tokens that they have, in order.
        batch_sizes: The sizes of the batches.
        in_batches: In words, which sentences are in which batches.
        inputs: The sort of inputs: `text` or `indices`, both if a model takes both, or `values`.
        outputs: The outputs that were compared.
        tasks: The coverage of each task.
        taken: Sentences of the spec's file among them, before any were left out.
        given: The sentences of the file; 0 without a file.
        file: The file, or `None`.
        repeated: Sentences of the file that were left out, because a token repeats one character.
        decoders: The cases on which each decoder was tried alone.
    """

    sentences: int
    tokens: int
    lengths: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    in_batches: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tasks: tuple[TaskCoverage, ...] = ()
    taken: int = 0
    given: int = 0
    file: str | None = None
    repeated: int = 0
    decoders: tuple[Tried, ...] = ()

    def lines(self) -> list[str]:
        """Return its lines in the report."""
        tried = [f"covered: '{each.part}' alone: {each}" for each in self.decoders]
        fed = f"fed as {' and '.join(self.inputs)}; compared: {', '.join(self.outputs)}"
        if not self.sentences:
            return [f"covered: {fed}", *tried]
        lengths = f"{self.lengths[0]} to {self.lengths[-1]} tokens ({len(self.lengths)} lengths)"
        found = [f"covered: {self.sentences} sentences of {lengths}, {self.in_batches}; {fed}"]
        found += [f"covered: {each.task or 'tags'}: {each}" for each in self.tasks]
        found += tried
        if self.file is not None:
            without = f", without {self.repeated:,} with a token of one character" if self.repeated else ""
            found.append(f"covered: {self.taken:,} of the {self.given:,} sentences of {self.file}{without}")
        return found

    def record(self) -> dict[str, Value]:
        """Return its record for metadata and JSON."""
        found: dict[str, Value] = {"inputs": list(self.inputs), "outputs": list(self.outputs)}
        if self.sentences:
            found |= {"sentences": self.sentences, "tokens": self.tokens, "batch_sizes": list(self.batch_sizes)}
            found |= {"lengths": [self.lengths[0], self.lengths[-1]], "different_lengths": len(self.lengths)}
            found["tasks"] = [each.record() for each in self.tasks]
        if self.decoders:
            found["decoders"] = [each.record() for each in self.decoders]
        if self.file is not None:
            repeated: dict[str, Value] = {"repeated_characters": self.repeated} if self.repeated else {}
            found["sentences_of_file"] = {"taken": self.taken, "of": self.given, **repeated}
        return found

    def counts(self) -> list[Counted]:
        """Return the figures that the floor counts."""
        counted = [Counted("tokens", "", self.tokens), Counted("lengths", "", len(self.lengths))]
        for each in self.tasks:
            counted.append(Counted("labels", each.task, each.seen, each.labels, said_only=True))
            if each.spans is not None:
                counted.append(Counted("spans", each.task, each.spans, said_only=not each.decodes))
        if all(each.spans is None for each in self.tasks):
            counted.append(Counted("spans", "", 0, said_only=True))
        return counted


@dataclass(frozen=True, slots=True)
class Counted:
    """What the floor counts.

    Attributes:
        what: `tokens`, `lengths`, `labels` or `spans`.
        task: Its task, or nothing.
        count: How much there was.
        most: The largest possible count.
        said_only: Whether less than the default is only reported. A source that predicts one label for every token does
            so on any text. If a file does not output spans itself, hosts read them from its tags, which are compared.
    """

    what: str
    task: str
    count: int
    most: int = 1_000_000
    said_only: bool = False


def missing(spec: Spec, coverage: Coverage) -> tuple[list[str], list[str]]:
    """Return the figures below the floor, and those below the default but not below the spec's own numbers."""
    refused, less = [], []
    # a lossy model is measured by its tags; a count of spans is required only if the spec sets one
    spans = not PROFILES[spec.profile].lossy and any(each.spans is not None for each in coverage.tasks)
    for each in coverage.counts():
        said = spec.proof.at_least.get(each.what)
        default = min(LEAST[each.what], each.most) if coverage.tasks and (each.what != "spans" or spans) else 0
        asked = min(default if said is None else said, each.most)
        of = f" of '{each.task}'" if len(coverage.tasks) > 1 and each.task else ""
        if each.count < asked and (said is not None or not each.said_only):
            refused.append(f"{each.count} {each.what}{of}, where {default if said is None else said} are required")
        elif each.count < default:
            less.append(f"{default} {each.what}{of} ({each.count})")
    return refused, less


def require_coverage(spec: Spec, against: str, coverage: Coverage) -> None:
    """Refuse a comparison that covers too little to be called a proof.

    Raises:
        ParityError: With what is missing (P005).
    """
    refused, _ = missing(spec, coverage)
    if refused:
        message = f"the comparison with '{against}' covers too little to be called a proof: {'; '.join(refused)}"
        hint = (
            "nothing was written; name more text under 'sentences', or give fixed inputs larger sizes. A smaller "
            "number under 'at_least' is accepted, and the report and the file then say that the model is proven on less"
        )
        mark = spec.proof.at_least_mark if spec.proof.at_least else spec.proof.mark
        raise ParityError(Problem.at(mark, "P005", message, hint))


def task_coverage(task: SourceTask, tagged: Sequence[TaggedTokens], spans: int | None) -> TaskCoverage:
    """Return the coverage of a task by the source's results.

    Args:
        task: The task.
        tagged: The source's result for each sentence.
        spans: The spans that are read from them; `None` if they encode none.
    """
    known = set(task.head.labels)
    seen = {label for each in tagged for label in each.labels if not (task.task.by_sentence and label.startswith(NOT))}
    given = spans if isinstance(task.head, TokenLabels) and task.head.spans else None
    decodes = set(task.task.outputs) >= _SPAN_OUTPUTS
    return TaskCoverage(task.name, len(seen & known), len(known), given, decodes=decodes)


def text_coverage(
    spec: Spec,
    text: ProofText,
    sentences: Sequence[Sequence[str]],
    shapes: tuple[tuple[int, ...], str, tuple[str, ...]],
    tasks: Sequence[TaskCoverage],
) -> Coverage:
    """Return the coverage of a comparison on sentences.

    Args:
        spec: The spec.
        text: The sentences that were drawn.
        sentences: Those that remained, with words of vocabularies.
        shapes: The batch sizes, the same in words, and what is fed.
        tasks: The coverage of each task.
    """
    lengths = [sum(map(bool, tokens)) for tokens in sentences]
    sizes, in_words, inputs = shapes
    return Coverage(
        len(lengths),
        sum(lengths),
        tuple(sorted(set(lengths))),
        sizes,
        in_words,
        inputs,
        tuple(spec.outputs),
        tuple(tasks),
        text.taken,
        text.given,
        spec.proof.sentences,
        text.repeated,
    )
