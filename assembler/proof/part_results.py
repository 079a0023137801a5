"""Runs the parts of a stack one by one, if its loaded models do not compute all of its outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.description.source_tasks import source_tasks
from assembler.proof.divergence import wiring_gaps
from assembler.proof.part_reference import PartReference
from assembler.proof.reporting import divergence_lines, failure_hint
from assembler.proof.requirements import require_comparable
from assembler.surgery.stepwise import Stepwise, ways

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.description.source_tasks import SourceTask
    from assembler.onnx_model.fragment import Fragment
    from assembler.proof.source_results import References
    from assembler.sources.opening import OpenSources
    from assembler.wiring.graph import Wiring

#: Outputs that a loaded model does not compute for a task.
_OF_PARTS = frozenset({"class_probabilities", "embeddings"})


def needs_parts(wiring: Wiring, sources: OpenSources) -> bool:
    """Return whether the parts are run: for outputs that no loaded model computes, and to see which ways they take.

    Loaded models compute tags and scores. Of a part that computes in several ways, they do not say which one they took.
    """
    tasks = _proven_tasks(wiring, sources)
    given = {name for each in tasks for what, name in each.task.outputs.items() if what not in _OF_PARTS}
    return not tasks or not set(wiring.spec.outputs) <= given or any(ways(wiring))


def with_parts(
    references: References, wiring: Wiring, sources: OpenSources, fragments: Mapping[str, Fragment]
) -> References:
    """Return the references with the outputs of the parts, each run alone.

    The input of a tagger's head is compared with the loaded tagger's own embeddings.

    Args:
        references: The results of the loaded models.
        wiring: The wiring, with the sources' sizes.
        sources: The sources.
        fragments: Each part as ONNX: those that no source runs are run as separate models.

    Raises:
        ParityError: The spec wires the parts of a tagger in another way than the tagger (P002).
        SpecError, ModelError: As `PartReference.of`.
    """
    spec = wiring.spec
    models = (task.model for task in _proven_tasks(wiring, sources) if task.model is not None)
    run = {model.prefix.partition(".")[0] for model in models}
    against = spec.proof.against
    if against is not None and sources.forms[against].reference and against not in run:
        require_comparable(wiring, against)
    stepwise = Stepwise(wiring, fragments)
    gaps = wiring_gaps(wiring, sources, references.sentences, stepwise)
    if gaps:
        lines = ["the head of a tagger is not fed what its own embeddings compute", *divergence_lines(gaps)]
        raise ParityError(Problem.at(spec.proof.mark, "P002", "\n".join(lines), failure_hint(1, gaps[0].largest)))
    return replace(references, parts=PartReference.of(wiring, sources, references.sentences, stepwise), gold=None)


def _proven_tasks(wiring: Wiring, sources: OpenSources) -> list[SourceTask]:
    return [task for task in source_tasks(wiring, sources) if task.model is not None]
