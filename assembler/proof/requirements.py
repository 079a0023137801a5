"""The requirements for a meaningful proof: known fill rules for inputs, and a reference that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.passes.profiles import PROFILES
from assembler.weights.decisions import SentenceNumbers
from assembler.wiring.origins import embeddings_fed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.description.source_tasks import SourceTask
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring


def require_comparable(wiring: Wiring, against: str) -> None:
    """Refuse a reference with which nothing would be compared, because a requested proof is never skipped in silence.

    Raises:
        SpecError: No head of the reference is in the stack (W012), or an input before it cannot be filled (W017).
    """
    fed = [edge for edge in embeddings_fed(wiring) if wiring.source_of(edge.node) == against]
    if not fed:
        message = f"proof: no output of the stack can be compared with '{against}': it has no head of it"
        hint = "leave 'against' out: each part is then compared with its source, run alone"
        raise SpecError(Problem.at(wiring.spec.proof.mark, "W012", message, hint))
    if any(edge.reference.owner in wiring.spec.graph for edge in fed):
        require_fills(wiring)


def require_measured(spec: Spec, tasks: Sequence[SourceTask]) -> None:
    """Refuse tasks that one proof cannot run together, and a lossy profile for numbers, which no budget measures.

    Raises:
        SpecError: Their examples consist of different texts (W032); or a profile is measured by labels (W030).
    """
    kinds = dict.fromkeys(task.head.texts for task in tasks)
    if len(kinds) > 1:
        names = ", ".join(f"'{task.name}' reads {task.head.texts.count} at once" for task in tasks)
        message = f"the tasks of the stack read different numbers of texts, or join them in different ways: {names}"
        raise SpecError(Problem.at(spec.proof.mark, "W032", message, "assemble them in two files"))
    rating = next((task for task in tasks if isinstance(task.head, SentenceNumbers)), None)
    if rating is not None and PROFILES[spec.profile].lossy:
        message = (
            f"the profile '{spec.profile}' is measured by the labels that it changes, and '{rating.name}' has none"
        )
        raise SpecError(Problem.at(spec.proof.mark, "W030", message, "choose an exact profile"))


def require_fills(wiring: Wiring) -> None:
    """Refuse a tagger with an input that cannot be filled.

    Raises:
        SpecError: There is such an input (W017).
    """
    from assembler.interface.fill_rules import RULES
    from assembler.wiring.fills import fills

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


def _unfilled(wiring: Wiring, name: str) -> str:
    """Return the reason why an input cannot be filled: no rule is known, or two parts need it filled in two ways."""
    wants = {
        f"{edge.node}.{edge.port} wants its {port.fill}"
        for edges in wiring.edges.values()
        for edge in edges
        for port in wiring.inputs[edge.node]
        if edge.reference.text == name and port.name == edge.port and port.fill
    }
    if len(wants) > 1:
        return f"the input '{name}' would have to be filled in two ways: {', '.join(sorted(wants))}"
    return f"neither the wiring nor the spec says how a host fills the input '{name}'"
