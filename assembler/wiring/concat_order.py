"""Compares the order in which a spec joins embeddings with the loaded tagger's own.

flair joins embeddings in the order of their names, not of the stack. The public export script has a hard-coded order,
which caused wrong tags without a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.problems import Problem
from assembler.wiring.origins import embedded_by, embeddings_fed, joined_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.forms.opened import Joined
    from assembler.wiring.graph import Edge, Wiring


def order_problems(
    wiring: Wiring, orders: Mapping[str, Joined], same: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return a problem (W015) for each `concat` before a head that joins in another order than its tagger.

    Args:
        wiring: The wiring.
        orders: For each loaded model, by its name in the spec, the order in which it joins its embeddings.
        same: For embeddings that are equal in several models, the name of one of them.
    """
    problems = []
    for edge in embeddings_fed(wiring):
        source = (wiring.spec.graph[edge.node].weights or "").rpartition(".")[0]
        edges = joined_in(wiring, edge.reference)
        if edges and source in orders:
            problems += _compare(wiring, edges, source, orders[source], same or {})
    return problems


def _compare(
    wiring: Wiring, edges: Sequence[Edge], source: str, order: Joined, same: Mapping[str, str]
) -> list[Problem]:
    concat = edges[0].node
    expected = [same.get(path, path) for path in order.paths]
    given: dict[str, str] = {}
    for edge in edges:
        models = embedded_by(wiring, edge.reference.owner)
        if len(models) != 1:
            return []  # a layout of the spec's author; the proof shows whether it is right
        path = str(wiring.spec.graph[models[0]].weights)
        given[same.get(path, path)] = edge.reference.text
    if len(given) != len(edges) or not set(given) <= set(expected) or list(given) == expected:
        return []
    mark = edges[0].reference.mark
    missing = [path for path, known in zip(order.paths, expected, strict=True) if known not in given]
    if missing:
        message = f"{concat}: the tagger '{source}' also reads {', '.join(missing)}"
        return [Problem.at(mark, "W015", message, "give each embedding of the tagger a part, and join them all")]
    right = ", ".join(given[path] for path in expected)
    message = f"{concat}: the tagger '{source}' joins its embeddings in another order"
    return [Problem.at(mark, "W015", message, f"{order.rule}; write inputs: [{right}]")]
