"""Wires a spec, opens its sources, and checks whether the two fit together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError, SpecError
from assembler.core.problems import Problem, in_order
from assembler.wiring.concat_order import order_problems
from assembler.wiring.graph import wire
from assembler.wiring.shared_inputs import shared_input_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from assembler.forms.opened import Joined
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring
    from assembler.workflows.order import Order, Read


@dataclass(frozen=True, slots=True, eq=False)
class Wired:
    """A spec whose parts fit together as far as is known without weights, at the opset of its subgraphs."""

    order: Order
    spec: Spec
    target: Path


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The sources of a spec, and its wiring with their sizes."""

    order: Order
    target: Path
    wiring: Wiring
    sources: OpenSources


def wire_parts(given: Read) -> Wired:
    """Wire the spec with the facts that are known before any weights are read."""
    return Wired(given.order, _wired(given.spec), given.target)


def open_parts(given: Wired) -> Opened:
    """Read the sources, and wire the spec again with the sizes they have."""
    given.order.say("reading the sources")
    wiring, sources = _fitted(given.spec, trust=given.order.trust, proven=given.order.proof)
    return Opened(given.order, given.target, wiring, sources)


def wired_sources(spec: Spec, *, trust: bool, proven: bool = True) -> tuple[Wiring, OpenSources]:
    """Read the sources of a spec, and wire it again with the sizes they have.

    Args:
        spec: The spec.
        trust: Whether object pickles, which can run code, may be read.
        proven: Whether the built model will be compared with the sources.

    Raises:
        SpecError: The sources do not fit the spec: sizes (W004, W016), the order of a concat (W015), or an input that
            two parts need filled in two ways (W013).
        SourceError, ModelError: As `open_sources`.
    """
    return _fitted(_wired(spec), trust=trust, proven=proven)


def wired_again(spec: Spec, digests: Mapping[str, str], *, trust: bool) -> tuple[Wiring, OpenSources]:
    """Read the sources again, and refuse other bytes.

    Args:
        spec: The spec.
        digests: The SHA-256 of each source, as it was read before.
        trust: Whether object pickles may be read.

    Raises:
        SourceError: One was changed meanwhile (R013).
    """
    pinned = {name: replace(source, sha256=digests[name]) for name, source in spec.sources.items()}
    try:
        return wired_sources(replace(spec, sources=pinned), trust=trust)
    except SourceError as err:
        if {problem.code for problem in err.problems} != {"R002"}:
            raise
        what = "a source changed while the model was built from it, so the part that diverges was not looked for"
        hint = "the model differs from the source as it was; build it again"
        mark = next(s.mark for s in spec.sources.values())
        raise SourceError(Problem("R013", what, hint, mark.file)) from err


def _wired(spec: Spec) -> Spec:
    """Wire a spec without weights, and return it at the opset that its exported subgraphs have."""
    from assembler.sources.opening import at_common_opset, open_headers

    headers, _ = open_headers(spec)
    spec = at_common_opset(spec, headers)
    wire(spec, headers)
    return spec


def _fitted(spec: Spec, *, trust: bool, proven: bool) -> tuple[Wiring, OpenSources]:
    from assembler.sources.opening import open_sources

    sources = open_sources(spec, trust=trust, proven=proven)
    _require_none(_declared_sizes(spec, sources))
    wiring = wire(spec, sources.weights)
    models = sources.models()
    orders = {model.prefix: order for model in models if (order := model.joined()) is not None}
    same = _same_parts(sources, orders.values()) if len(models) > 1 else {}
    _require_none([*order_problems(wiring, orders, same), *shared_input_problems(wiring)])
    return wiring, sources


def _require_none(problems: list[Problem]) -> None:
    if problems:
        raise SpecError(*in_order(problems))


def _same_parts(sources: OpenSources, orders: Iterable[Joined]) -> dict[str, str]:
    """Return for each embedding the first that has the same weights, so that models can share one part."""
    from assembler.weights.fingerprint import fingerprint

    first: dict[str, str] = {}
    same = {}
    for path in (path for order in orders for path in order.paths):
        weights = sources.opened[path.partition(".")[0]].weights(path)
        if weights is not None:
            same[path] = first.setdefault(fingerprint(weights), path)
    return same


def _declared_sizes(spec: Spec, sources: OpenSources) -> list[Problem]:
    """Compare sizes that a spec declares with those of the loaded weights."""
    problems = []
    for name, weights in sources.weights.items():
        for key, size in weights.facts().items():
            declared = spec.graph[name].parameters.get(key)
            if isinstance(declared, int) and declared != size:
                mark = spec.document.mark(("graph", name, key))
                message = f"{name}: the loaded weights have {key} {size}, the spec says {declared}"
                problems.append(Problem.at(mark, "W016", message, "the source is not the one the spec was written for"))
    return problems
