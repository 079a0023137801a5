"""Runs the sources, and keeps the results that a model must reproduce. Their memory is released before the proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.description.source_tasks import source_tasks
from assembler.passes.profiles import PROFILES
from assembler.proof.accuracy import GoldReference
from assembler.proof.coverage import Coverage, task_coverage, text_coverage
from assembler.proof.measured_text import measured_text
from assembler.proof.random_inputs import require_room
from assembler.proof.requirements import require_fills, require_measured
from assembler.proof.samples import encoder_sentences, proof_text, vocabulary_sentences
from assembler.proof.tag_reference import TagReference, compared_in
from assembler.proof.text_inputs import expressible, fixed_shapes
from assembler.proof.text_reference import TextReference, spans_of
from assembler.runtime.tokenization import split_at_spaces
from assembler.sources.vocabulary_cut import sentences_that_keep
from assembler.weights.decisions import label_pairs_of
from assembler.weights.encoders import Encoder
from assembler.weights.tables import TableWeights
from assembler.wiring.fills import fills

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.description.source_tasks import SourceTask
    from assembler.proof.decoders import Decoders
    from assembler.proof.evaluator import Evaluated
    from assembler.proof.measured_text import MeasuredText
    from assembler.proof.part_reference import PartReference
    from assembler.proof.reference import Reference
    from assembler.proof.samples import ProofText
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring

#: How many labels are tried with sentences of the proof, and with how many sentences each.
_LABELS, _OF_EACH = 32, 4


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """The results that the model must reproduce.

    Attributes:
        spec: The spec.
        sentences: The sentences of the proof.
        tags: The loaded models, one for each task.
        texts: The same for labels as text and for spans.
        parts: The parts, for outputs that no loaded model computes; or `None` without any.
        left_out: How many sentences were left out because one of their words was cut from a table.
        coverage: What the comparison covers.
        gold: Gold text, on which a lossy profile must keep the first model's accuracy; or `None`.
        evaluated: The results of onnx's reference evaluator, if the profile promises other engines.
        decoders: The decoders of the stack, which are tried alone; `None` without any.
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
    decoders: Decoders | None = None

    def all(self) -> tuple[Reference, ...]:
        """Return them in the order of the comparison."""
        others = (self.gold, self.parts)
        return (*self.tags, *self.texts, *(each for each in others if each is not None))

    @property
    def against(self) -> str:
        """Their common name: the models by name, or else `each part alone`."""
        names = dict.fromkeys(tag.against for tag in self.tags)
        return " and ".join(names) or ("each part alone" if self.parts is None else self.parts.against)


def reference_results(wiring: Wiring, sources: OpenSources) -> References:
    """Run the loaded models, each task's own. `part_results` gets the other outputs from the parts.

    Raises:
        SpecError: The sentences of the spec or its gold text cannot be used, an input has no rule by which to fill
            it, tables were cut so far that no sentence is left, or inputs are too large (W014, W017,
            W021, W025, W030 to W032).
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
    require_measured(spec, tasks)
    if tasks:
        require_fills(wiring)
        sentences = expressible(wiring, shapes, _readable(tasks, sources, sentences))
    sentences, left_out = _kept(spec, sentences, sources)
    if tasks:
        measured: Sequence[MeasuredText | None] = [None] * len(tasks)
        if PROFILES[spec.profile].lossy:
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
    return References(spec, sentences, tags, texts, None, left_out, coverage, gold)


def _coverage(
    wiring: Wiring,
    read: tuple[ProofText, Sequence[Sequence[str]], int | None],
    tasks: Sequence[SourceTask],
    tags: Sequence[TagReference],
) -> Coverage:
    """Return what a comparison covers: the text, the sentences of it that are read, and the sentences of each run."""
    text, sentences, fixed = read
    rules = [fill.rule for fill in fills(wiring).values()]
    fed = [name for name, is_fed in (("text", "text" in rules), ("values", None in rules)) if is_fed]
    fed += ["indices"] if set(rules) - {"text", None} else []
    if not tags:
        return Coverage(0, 0, (), (), "", tuple(sorted(fed)), tuple(wiring.spec.outputs))
    lossy = PROFILES[wiring.spec.profile].lossy
    sizes, in_words = compared_in(sentences, fixed, lossy=lossy)
    met = []
    for task, tag in zip(tasks, tags, strict=True):
        spans = None if tag.by_sentence else sum(len(spans_of(task, each)) for each in tag.tagged)
        met.append(task_coverage(task, tag.tagged, spans))
    return text_coverage(wiring.spec, text, sentences, (sizes, in_words, tuple(sorted(fed))), met)


def _kept(spec: Spec, sentences: Sequence[Sequence[str]], sources: OpenSources) -> tuple[Sequence[Sequence[str]], int]:
    """Return the sentences without words that were cut from a table, and the number of the others.

    Raises:
        SpecError: There is none (W021).
    """
    if not sentences:
        message = "proof: no sentence fits the fixed sizes of the inputs, so nothing can be compared"
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


def _with_labels(tasks: Sequence[SourceTask], given: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Yield some sentences with each label beside them, as a host writes them for models that are asked for labels."""
    for task in tasks:
        if (pairs := label_pairs_of(task.head)) is not None:
            labels = [label for each in pairs.tasks for label in each.labels]
            for place, label in enumerate(labels[:_LABELS]):
                for tokens in given[place::_LABELS][:_OF_EACH]:
                    yield split_at_spaces(pairs.text(label, " ".join(tokens)))


def _readable(tasks: Sequence[SourceTask], sources: OpenSources, given: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return the sentences that every model can read, with some of the words of each vocabulary."""
    words = [each.words.words for each in sources.weights.values() if isinstance(each, TableWeights)]
    models = [task.model for task in tasks if task.model is not None]
    encoders = [each.subtokens for each in sources.weights.values() if isinstance(each, Encoder)]
    sentences = [*given, *vocabulary_sentences(words), *encoder_sentences(encoders), *_with_labels(tasks, given)]
    return [tokens for tokens in sentences if all(model.can_read(tokens) for model in models)]
