"""The proof: what a model is compared with, the comparison, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ParityError, SpecError
from assembler.core.problems import Problem
from assembler.description.source_tasks import source_tasks
from assembler.onnx_model.sessions import open_session
from assembler.passes.profiles import PROFILES
from assembler.proof.accuracy import GoldReference
from assembler.proof.coverage import Coverage, missing, require_coverage, task_coverage, text_coverage
from assembler.proof.dims import check_dims
from assembler.proof.divergence import wiring_gaps
from assembler.proof.measured_text import measured_text
from assembler.proof.noise import AT_MOST, Tolerance
from assembler.proof.part_reference import PartReference
from assembler.proof.random_inputs import require_room
from assembler.proof.reporting import divergence_lines, failure_hint
from assembler.proof.requirements import require_comparable, require_fills
from assembler.proof.samples import REPEATED, encoder_sentences, proof_text, vocabulary_sentences
from assembler.proof.stepwise import Stepwise
from assembler.proof.tag_reference import TagReference, compared_in
from assembler.proof.text_inputs import expressible, fixed_shapes
from assembler.proof.text_reference import TextReference, spans_of
from assembler.sources.vocabulary_cut import sentences_that_keep
from assembler.surgery.emission import emit_parts
from assembler.weights.encoders import EncoderWeights
from assembler.weights.tables import TableWeights
from assembler.wiring.fills import fills

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assembler.core.values import Value
    from assembler.description.source_tasks import SourceTask
    from assembler.proof.accuracy import Accuracy
    from assembler.proof.budget import Losses
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.evaluator import Evaluated
    from assembler.proof.measured_text import MeasuredText
    from assembler.proof.reference import Reference
    from assembler.proof.samples import ProofText
    from assembler.sources.opening import OpenSources
    from assembler.spec.model import Spec
    from assembler.wiring.graph import Wiring


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """What the model must reproduce.

    Attributes:
        spec: The spec.
        sentences: The sentences of the proof.
        tags: The loaded models, one for each task.
        texts: The same for what the model says in words and spans.
        parts: The parts, for outputs that no loaded model gives; or `None` without any.
        left_out: How many sentences were left out, because a word of theirs was cut from a table.
        coverage: What the comparison covers.
        gold: Gold text, on which a lossy profile must keep the first model's accuracy; or `None`.
        evaluated: What onnx's reference evaluator has computed, where the profile promises other engines.
    """

    spec: Spec
    sentences: Sequence[Sequence[str]]
    tags: tuple[TagReference, ...]
    texts: tuple[TextReference, ...]
    parts: PartReference | None
    left_out: int
    coverage: Coverage
    gold: GoldReference | None = None
    evaluated: Evaluated | None = None

    def all(self) -> tuple[Reference, ...]:
        """Return them in the order of the comparison."""
        others = (self.gold, self.parts)
        return (*self.tags, *self.texts, *(each for each in others if each is not None))

    @property
    def against(self) -> str:
        """What they are called together: the models by name, else `each part alone`."""
        names = dict.fromkeys(tag.against for tag in self.tags)
        return " and ".join(names) or ("each part alone" if self.parts is None else self.parts.against)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof that succeeded found.

    Attributes:
        against: The reference: the names of the models, or `each part alone`.
        cases: Sentences, or sets of inputs.
        tokens: Their tokens; 0 for stacks without tags.
        classes: Their classes; 0 for stacks that label no sentences.
        largest: The largest difference of a score or of any output.
        tolerance: How far scores, or other outputs, were allowed to differ.
        left_out: Sentences that were left out, because a word of theirs was cut from a table.
        coverage: What was covered.
        less_than: What of the usual floor was not reached, because the spec asks for less: `30 tokens (12)`.
        notes: What the report says beside that.
        losses: What a lossy profile has changed, within its budget, for each task.
        accuracy: What a lossy profile gets right of gold text, within its budget; `None` without any.
    """

    against: str
    cases: int
    tokens: int
    classes: int
    largest: float
    tolerance: Tolerance
    left_out: int
    coverage: Coverage
    less_than: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    losses: tuple[Losses, ...] = ()
    accuracy: Accuracy | None = None


def reference_results(wiring: Wiring, sources: OpenSources) -> References:
    """Run the sources, before their memory is let go of.

    Each task is compared with its own loaded model. Outputs beyond tags and scores, and stacks without a tagger, are
    compared with their parts run alone, and what reaches a tagger's head with the loaded tagger's own embeddings.

    Raises:
        SpecError: The sentences of the spec cannot be read, an input has no rule by which to fill it, or tables were
            cut so far that no sentence is left, or inputs are too large, or the gold text is at fault (W014, W017,
            W021, W025, W031).
        ParityError: The spec wires the parts of a tagger otherwise than the tagger (P002).
    """
    spec = wiring.spec
    require_room(spec)
    shapes = fixed_shapes(wiring, sources)
    fixed = None if shapes is None else shapes.sentences
    text = proof_text(spec, lambda given: expressible(wiring, shapes, given))
    sentences: Sequence[Sequence[str]] = text.sentences
    tasks = [task for task in source_tasks(wiring, sources) if task.model is not None]
    tags: tuple[TagReference, ...] = ()
    texts: tuple[TextReference, ...] = ()
    if tasks:
        require_fills(wiring)
        sentences = expressible(wiring, shapes, _readable(tasks, sources, sentences))
    sentences, left_out = _kept(spec, sentences, sources)
    if tasks:
        measured: Sequence[MeasuredText | None] = [None] * len(tasks)
        if PROFILES[spec.profile].tags_changed is not None:
            sentences, measured = measured_text(spec, tasks, sentences, sources)
        tags = tuple(
            TagReference.of(spec, task, sentences, fixed, own) for task, own in zip(tasks, measured, strict=True)
        )
        texts = tuple(
            TextReference(task, tag) for task, tag in zip(tasks, tags, strict=True) if TextReference.fits(task)
        )
    gold = GoldReference.of(
        spec, tasks, lambda given: expressible(wiring, shapes, _gold_kept(tasks[0], given, sources))
    )
    coverage = _coverage(wiring, (text, sentences, fixed), tasks, tags)
    if tasks and set(spec.outputs) <= {name for task in tasks for name in task.task.outputs.values()}:
        return References(spec, sentences, tags, texts, None, left_out, coverage, gold)
    if (
        spec.proof.against is not None
        and sources.forms[spec.proof.against].reference
        and not any(
            task.model is not None and task.model.prefix.partition(".")[0] == spec.proof.against for task in tasks
        )
    ):
        require_comparable(wiring, spec.proof.against)
    stepwise = Stepwise(wiring, emit_parts(wiring))
    gaps = wiring_gaps(wiring, sources, sentences, stepwise)
    if gaps:
        lines = ["what reaches the head of a tagger is not what its own embeddings give", *divergence_lines(gaps)]
        raise ParityError(Problem.at(spec.proof.mark, "P002", "\n".join(lines), failure_hint(1, gaps[0].largest)))
    parts = PartReference.of(wiring, sources, sentences, stepwise)
    return References(spec, sentences, tags, texts, parts, left_out, coverage)


def _coverage(
    wiring: Wiring,
    read: tuple[ProofText, Sequence[Sequence[str]], int | None],
    tasks: Sequence[SourceTask],
    tags: Sequence[TagReference],
) -> Coverage:
    """Return what a comparison covers, of the text, the sentences of it that are read, and those of every run."""
    text, sentences, fixed = read
    rules = [fill.rule for fill in fills(wiring).values()]
    fed = [name for name, is_fed in (("text", "text" in rules), ("values", None in rules)) if is_fed]
    fed += ["indices"] if set(rules) - {"text", None} else []
    if not tags:
        return Coverage(0, 0, (), (), "", tuple(sorted(fed)), tuple(wiring.spec.outputs))
    lossy = PROFILES[wiring.spec.profile].tags_changed is not None
    sizes, in_words = compared_in(sentences, fixed, lossy=lossy)
    met = []
    for task, tag in zip(tasks, tags, strict=True):
        spans = None if tag.by_sentence else sum(len(spans_of(task, each)) for each in tag.tagged)
        met.append(task_coverage(task, tag.tagged, spans))
    return text_coverage(wiring.spec, text, sentences, (sizes, in_words, tuple(sorted(fed))), met)


def _kept(spec: Spec, sentences: Sequence[Sequence[str]], sources: OpenSources) -> tuple[Sequence[Sequence[str]], int]:
    """Return the sentences without words that were cut from a table, and how many others there are.

    Raises:
        SpecError: There is none (W021).
    """
    if not sentences:
        message = "proof: no sentence has room in the fixed sizes of the inputs, so nothing can be compared"
        raise SpecError(Problem.at(spec.proof.mark, "W021", message, "give the inputs larger sizes, or names for dims"))
    tables = [each for each in sources.weights.values() if isinstance(each, TableWeights)]
    kept = sentences_that_keep(sentences, tables)
    if not kept:
        message = "proof: each sentence has a word that was cut from a table, so nothing can be compared"
        hint = "keep more words, or name sentences of kept words"
        raise SpecError(Problem.at(spec.proof.mark, "W021", message, hint))
    return kept, len(sentences) - len(kept)


def _gold_kept(task: SourceTask, given: Sequence[Sequence[str]], sources: OpenSources) -> Sequence[Sequence[str]]:
    """Return the sentences of gold text that source and model can both read."""
    readable = [tokens for tokens in given if task.model is None or task.model.can_read(tokens)]
    tables = [each for each in sources.weights.values() if isinstance(each, TableWeights)]
    return sentences_that_keep(readable, tables)


def _readable(tasks: Sequence[SourceTask], sources: OpenSources, given: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return the sentences that every model can read, with some of the words of each vocabulary."""
    words = [each.words.words for each in sources.weights.values() if isinstance(each, TableWeights)]
    models = [task.model for task in tasks if task.model is not None]
    encoders = [each.subtokens for each in sources.weights.values() if isinstance(each, EncoderWeights)]
    sentences = [*given, *vocabulary_sentences(words), *encoder_sentences(encoders)]
    return [tokens for tokens in sentences if all(model.can_read(tokens) for model in models)]


def proof_record(wiring: Wiring, references: References | None) -> dict[str, Value]:
    """Return the `proof` record of the metadata. A file that does not pass never gets its name, so it can say so.

    Figures that depend on the machine stay out of it: the same spec and sources give the same bytes. (The
    rounding of `int8` follows states that the machine has computed: there the same machine gives the same bytes.)
    """
    if references is None:
        return {"status": "skipped", "reason": "--no-proof"}
    tags, parts = references.tags, references.parts
    _, less = missing(wiring.spec, references.coverage)
    # the noise of a source is a figure of one machine; how far it may be excused is not
    noise: dict[str, Value] = {"scores_within_by_noise": AT_MOST} if tags and not wiring.spec.proof.within_said else {}
    left_out: dict[str, Value] = {"left_out": references.left_out} if references.left_out else {}
    record: dict[str, Value] = {
        **left_out,
        "status": "passed",
        "against": references.against,
        "batch_sizes": list(references.coverage.batch_sizes),
        "cases": len(references.sentences) if tags else len(parts.tensors if parts else ()),
        "scores_within": wiring.spec.proof.scores_within,
        **noise,
        "golden": tags[0].record()["golden"] if tags else [],
        "covered": references.coverage.record(),
    }
    if less:
        record["less_than"] = list(less)
    if references.evaluated is not None:
        record["engines"] = [references.evaluated.record()]
    if len(tags) > 1:
        record["tasks"] = [dict(tag.record()) for tag in tags]
    return record


def prove(path: Path, references: References, diagnose: Diagnosis) -> Proven:
    """Compare a written model with its references.

    Args:
        path: The model.
        references: What it must reproduce.
        diagnose: Finds the parts that diverge; only called when a comparison fails.

    Raises:
        ParityError: They differ (P001 for tags and scores, P002 for tensors), and the report names the first part whose
            output diverges; a run contradicts a declared dim (P006); the comparison covers too little to be called a
            proof (P005); or onnx's reference evaluator computes something else (P008).
        ModelError: The model cannot be run (M006, M007, M010 to M015).
    """
    spec, parts = references.spec, references.parts
    cases = None if parts is None else [(name, inputs) for name, inputs, _ in parts.tensors]
    found = [reference.prove(path, diagnose) for reference in references.all()]
    tagged = found[: len(references.tags)] or found
    usual = Tolerance(spec.proof.scores_within)
    session = open_session(path, "the assembled model")
    check_dims(session, spec, references.sentences, cases)
    require_coverage(spec, references.against, references.coverage)
    _, less = missing(spec, references.coverage)
    engines = () if references.evaluated is None else (references.evaluated.prove(session),)
    repeated = (REPEATED,) if references.tags and PROFILES[spec.profile].tags_changed is None else ()
    by_parts = () if parts is None else parts.notes
    notes = (*repeated, *by_parts, *(() if parts is None or references.tags or parts.shows is None else (parts.shows,)))
    return Proven(
        references.against,
        max(each.cases for each in tagged),
        sum(each.tokens for each in tagged),
        sum(each.classes for each in tagged),
        max(each.largest for each in found),
        max((each.tolerance for each in found if each.tolerance), key=lambda each: each.within, default=usual),
        references.left_out,
        references.coverage,
        tuple(less),
        (*engines, *notes),
        tuple(each.losses for each in found if each.losses is not None),
        next((each.accuracy for each in found if each.accuracy is not None), None),
    )
