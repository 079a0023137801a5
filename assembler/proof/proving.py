"""The proof: what a model is compared with, the comparison, and the report when they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.errors import ParityError, SpecError
from assembler.parts.emission import emit_parts
from assembler.problems import Problem
from assembler.proof.divergence import wiring_gaps
from assembler.proof.parity import BATCH_SIZES, Comparison, compare
from assembler.proof.random_inputs import proof_inputs
from assembler.proof.samples import proof_sentences, vocabulary_sentences
from assembler.proof.sessions import open_session, run
from assembler.proof.stepwise import Gap, Stepwise, gap
from assembler.proof.text_inputs import text_interface
from assembler.proof.text_outputs import compare_text, expressible
from assembler.runtime.tagger import Tagger
from assembler.sources.weights import TableWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from assembler.proof.parity import TaggedTokens
    from assembler.sources.flair_checkpoint import FlairSource
    from assembler.sources.opening import OpenSources
    from assembler.sources.weights import Array
    from assembler.spec.model import Spec
    from assembler.spec.yaml_text import Value
    from assembler.wiring.graph import Wiring

#: The batch in which the source itself runs. Its results do not depend on it, its time and memory do.
_SOURCE_BATCH = 8
#: How many sentences are tried one by one; in the other batch shapes it is all of them.
_ONE_BY_ONE = 24
#: Texts of more characters are left out of batches of more than an odd few: the states of one such text take as many
#: bytes as thirty short ones, and a batch is padded to its longest text.
_LONG, _ODD = 300, 7
#: How many sentences with their tags the model carries, so that `verify` can try it anywhere.
_GOLDEN = 8
_GOLDEN_DIGITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the model must reproduce.

    Attributes:
        spec: The spec.
        against: The name of the source, or `each part alone`.
        sentences: The sentences of the proof.
        tagged: The source's labels and scores, for a tagger.
        tensors: For other outputs: named inputs and the outputs that the parts give one by one.
    """

    spec: Spec
    against: str
    sentences: Sequence[Sequence[str]]
    tagged: Sequence[TaggedTokens] | None
    tensors: Sequence[tuple[str, Mapping[str, Array], Mapping[str, Array]]]


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof that succeeded found.

    Attributes:
        against: The reference: the name of a source, or `each part alone`.
        cases: Sentences, or sets of inputs.
        tokens: Tokens compared in each batch shape; 0 for stacks without a tagger.
        largest: The largest difference of a score or of any output.
        within: The tolerance.
    """

    against: str
    cases: int
    tokens: int
    largest: float
    within: float


def reference_results(wiring: Wiring, sources: OpenSources) -> Reference:
    """Run the source, before its memory is let go of.

    A tagger is compared with its loaded source. Outputs beyond its tags and scores, and stacks without a tagger, are
    compared with their parts run alone, and what reaches a tagger's head with the loaded tagger's own embeddings.

    Raises:
        SpecError: The sentences of the spec cannot be read, or an input has no rule by which to fill it (W014, W017).
        ParityError: The spec wires the parts of a tagger otherwise than the tagger (P002).
    """
    spec = wiring.spec
    sentences = expressible(wiring, proof_sentences(spec))
    tagged: Sequence[TaggedTokens] | None = None
    tagger = _tagger(wiring, sources)
    if tagger is not None:
        require_fills(wiring)
        words = [each.words.words for each in sources.weights.values() if isinstance(each, TableWeights)]
        sentences = [*sentences, *expressible(wiring, vocabulary_sentences(words))]
        sentences = [tokens for tokens in sentences if tagger.can_read(tokens)]
        tagged = tagger.predict(sentences, _SOURCE_BATCH)
    if tagger is not None and all(wiring.gives(name) for name in spec.outputs):
        return Reference(spec, tagger.source.name, sentences, tagged, ())
    if tagger is None and spec.proof.against is not None:
        _require_comparable(wiring, spec.proof.against)
    stepwise = Stepwise(wiring, emit_parts(wiring))
    gaps = wiring_gaps(wiring, sources, sentences, stepwise)
    if gaps:
        lines = ["what reaches the head of a tagger is not what its own embeddings give", *_divergence(gaps)]
        raise ParityError(Problem.at(spec.proof.mark, "P002", "\n".join(lines), _hint(1, gaps[0].largest)))
    cases = []
    for name, inputs in proof_inputs(spec, text_interface(wiring, sources), sentences):
        values = {**inputs, **dict(stepwise.run(inputs))}
        outputs = {public: values[output.reference.text] for public, output in spec.outputs.items()}
        cases.append((name, inputs, outputs))
    against = tagger.source.name if tagger is not None else "each part alone"
    return Reference(spec, against, sentences, tagged, cases)


def _tagger(wiring: Wiring, sources: OpenSources) -> FlairSource | None:
    """Return the loaded tagger whose tags and scores the model gives, if it gives both."""
    decoder = wiring.decoder()
    if decoder is None or not {"scores", "prediction"} <= {wiring.gives(name) for name in wiring.spec.outputs}:
        return None
    found = sources.flair.get(wiring.source_of(decoder) or "")
    return found if found is not None and found.tagger is not None else None


def _require_comparable(wiring: Wiring, against: str) -> None:
    """Refuse a reference that nothing would be compared with: a request for a proof is never dropped in silence.

    Raises:
        SpecError: No head of the reference is in the stack (W012), or an input before it cannot be filled (W017).
    """
    heads = [
        node
        for node in wiring.order
        if wiring.spec.graph[node].kind == "tagger_head" and wiring.source_of(node) == against
    ]
    if not heads:
        message = f"proof: nothing that the stack gives can be compared with '{against}': it has no head of it"
        hint = "leave 'against' out: each part is then compared with its source, run alone"
        raise SpecError(Problem.at(wiring.spec.proof.mark, "W012", message, hint))
    if any(wiring.feeding(head, "embeddings")[0].reference.owner in wiring.spec.graph for head in heads):
        require_fills(wiring)


def _unfilled(wiring: Wiring, name: str) -> str:
    """Say why nobody can fill an input: nothing tells how, or two parts want it filled in two ways."""
    wants = {
        f"{edge.node}.{edge.port} wants its {port.fill}"
        for edges in wiring.edges.values()
        for edge in edges
        for port in wiring.inputs[edge.node]
        if edge.reference.text == name and port.name == edge.port and port.fill
    }
    if len(wants) > 1:
        return f"the input '{name}' would have to be filled in two ways: {', '.join(sorted(wants))}"
    return f"neither the wiring nor the spec tells how a host fills the input '{name}'"


def require_fills(wiring: Wiring) -> None:
    """Refuse a tagger with an input that nobody could fill.

    Raises:
        SpecError: With the inputs (W017).
    """
    from assembler.filling import RULES
    from assembler.wiring.interface import fills

    problems = [
        Problem.at(
            wiring.spec.inputs[name].mark,
            "W017",
            _unfilled(wiring, name),
            f"say 'fill:' with one of: {', '.join(RULES)}",
        )
        for name, fill in fills(wiring).items()
        if fill.rule is None
    ]
    if problems:
        raise SpecError(*problems)


def proof_record(wiring: Wiring, reference: Reference | None) -> dict[str, Value]:
    """Return the `proof` record of the metadata. A file that does not pass never gets its name, so it can say so.

    Figures that depend on the machine stay out of it: the same spec and sources give the same bytes.
    """
    if reference is None:
        return {"status": "skipped", "reason": "--no-proof"}
    spec = wiring.spec
    record: dict[str, Value] = {
        "status": "passed",
        "against": reference.against,
        "batch_sizes": list(BATCH_SIZES) if reference.tagged is not None else [],
        "cases": len(reference.sentences) if reference.tagged is not None else len(reference.tensors),
        "scores_within": spec.proof.scores_within,
        "golden": [],
    }
    if reference.tagged is not None:
        golden: list[Value] = []
        for tokens, tagged in list(zip(reference.sentences, reference.tagged, strict=True))[:_GOLDEN]:
            scores = [round(score, _GOLDEN_DIGITS) for score in tagged.scores]
            golden.append({"tokens": list(tokens), "labels": list(tagged.labels), "scores": list(scores)})
        record["golden"] = golden
    return record


def prove(path: Path, reference: Reference, diagnose_: Callable[[], Sequence[Gap]]) -> Proven:
    """Compare a written model with its reference.

    Args:
        path: The model.
        reference: What it must reproduce.
        diagnose_: Finds the parts that diverge; only called when the comparison fails.

    Raises:
        ParityError: They differ (P001 for tags and scores, P002 for tensors). The report names the first part whose
            output diverges.
        ModelError: The model cannot be run (M006, M007, M010 to M015).
    """
    largest, cases, tokens = 0.0, 0, 0
    if reference.tagged is not None:
        comparison = compare_tags(path, reference)
        if not comparison.equal:
            raise ParityError(_tag_problem(reference, comparison, diagnose_()))
        cases, tokens = comparison.sentences, comparison.tokens
        largest = max(comparison.largest, _compare_text(path, reference))
    if reference.tensors:
        largest = max(largest, _compare_tensors(path, reference, diagnose_))
        cases = cases or len(reference.tensors)
    return Proven(reference.against, cases, tokens, largest, reference.spec.proof.scores_within)


def _compare_text(path: Path, reference: Reference) -> float:
    """Compare what a model says of its tags in words and spans, and return the largest difference of a score."""
    found = compare_text(path, reference.sentences, reference.tagged or (), reference.spec.proof.scores_within)
    if found.wrong:
        lines = [f"the model does not give the labels and spans of '{reference.against}'", *found.wrong]
        hint = "nothing was written; compare the spec with `assemble init` of the same source"
        raise ParityError(Problem.at(reference.spec.proof.mark, "P001", "\n".join(lines), hint))
    return found.largest


def _compare_tensors(path: Path, reference: Reference, diagnose_: Callable[[], Sequence[Gap]]) -> float:
    """Compare the outputs with those of the parts alone, and return the largest difference."""
    session = open_session(path, "the assembled model")
    largest, within = 0.0, reference.spec.proof.scores_within
    for case, inputs, outputs in reference.tensors:
        given = run(session, inputs, "the assembled model")
        gaps = [gap(name, expected, given[name]) for name, expected in outputs.items()]
        largest = max([largest, *(entry.largest for entry in gaps)])
        if largest > within:
            wrong = [entry for entry in gaps if entry.largest > within]
            raise ParityError(_tensor_problem(reference.spec, case, wrong, diagnose_()))
    return largest


def compare_tags(path: Path, reference: Reference) -> Comparison:
    """Tag the sentences of a proof with a written model, in every batch shape, and compare."""
    tagger = Tagger(path)
    comparisons = []
    for size in BATCH_SIZES:
        chosen = list(zip(reference.sentences, reference.tagged or (), strict=True))
        if size == 1:
            chosen = chosen[-_ONE_BY_ONE:]  # the hard sentences, which are the last, and some of the spec's
        elif size > _ODD:
            chosen = [pair for pair in chosen if sum(map(len, pair[0])) <= _LONG]
        sentences, tagged = [pair[0] for pair in chosen], [pair[1] for pair in chosen]
        results = tagger.tag([list(tokens) for tokens in sentences], batch_size=size)
        comparisons.append(compare(sentences, tagged, [(size, results)], reference.spec.proof.scores_within))
    return Comparison(
        sentences=max(entry.sentences for entry in comparisons),
        tokens=max(entry.tokens for entry in comparisons),
        tags_changed=sum(entry.tags_changed for entry in comparisons),
        largest=max(entry.largest for entry in comparisons),
        within=reference.spec.proof.scores_within,
        worst=tuple(difference for entry in comparisons for difference in entry.worst)[:5],
    )


def _tag_problem(reference: Reference, comparison: Comparison, gaps: Sequence[Gap]) -> Problem:
    summary = (
        f"the model does not give the tags and scores of '{reference.against}': {comparison.tags_changed} tags "
        f"differ, "
        f"the largest difference of a score is {comparison.largest:.3g}, allowed is {comparison.within:.3g}"
    )
    lines = [
        summary,
        *(f"  {difference}" for difference in comparison.worst),
        *_divergence(gaps),
    ]
    hint = _hint(comparison.tags_changed, comparison.largest)
    return Problem.at(reference.spec.proof.mark, "P001", "\n".join(lines), hint)


def _tensor_problem(spec: Spec, case: str, wrong: Sequence[Gap], gaps: Sequence[Gap]) -> Problem:
    lines = [
        f"the model does not give what its parts give one by one ({case}), allowed is {spec.proof.scores_within:.3g}",
        *(f"  {entry}" for entry in wrong),
        *_divergence(gaps),
    ]
    return Problem.at(spec.proof.mark, "P002", "\n".join(lines), _hint(0, max(entry.largest for entry in wrong)))


def _divergence(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return ["  no part diverges when the parts are compared one by one"]
    return [f"  the first part whose output diverges is '{gaps[0].tensor.partition('.')[0]}'", f"    {gaps[0]}"]


def _hint(changed: int, largest: float) -> str | None:
    if changed or not np.isfinite(largest):
        return "nothing was written; compare the spec with `assemble init` of the same source"
    return f"nothing was written; scores_within: {largest * 1.1:.1e} would have passed"
