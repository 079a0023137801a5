"""Compares the order in which a spec joins embeddings with the loaded tagger's own.

flair joins embeddings in the order of their names, not of the stack: a hard-coded order is the mistake that gave the
users of the public export script wrong tags without a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.problems import Problem
from assembler.wiring.fills import joined_embeddings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.wiring.graph import Wiring


def order_problems(
    wiring: Wiring, orders: Mapping[str, Sequence[int]], same: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return a problem (W015) for each `concat` before a head whose order is not its tagger's.

    Args:
        wiring: The wiring.
        orders: For each loaded model, by its name in the spec, the places of its embeddings in the order in which it
            joins them.
        same: For embeddings that several models have alike the name of one of them.
    """
    problems = []
    for head, node in wiring.spec.graph.items():
        if node.kind != "tagger_head" or node.weights is None:
            continue
        source = node.weights.rpartition(".")[0]
        for edge in wiring.feeding(head, "embeddings"):
            concat = edge.reference.owner
            if concat in wiring.spec.graph and wiring.spec.graph[concat].kind == "concat":
                problems += _compare(wiring, concat, source, orders.get(source, ()), same or {})
    return problems


def _compare(wiring: Wiring, concat: str, source: str, order: Sequence[int], same: Mapping[str, str]) -> list[Problem]:
    named = [f"{source}.embeddings.{index}" for index in order]
    expected = [same.get(path, path) for path in named]
    edges = wiring.feeding(concat, "inputs")
    given: dict[str, str] = {}
    for edge, models in zip(edges, joined_embeddings(wiring, concat), strict=True):
        if len(models) != 1:
            return []  # a layout of the spec author's own; the proof tells whether it is right
        path = str(wiring.spec.graph[models[0]].weights)
        given[same.get(path, path)] = edge.reference.text
    if len(given) != len(edges) or not set(given) <= set(expected) or list(given) == expected:
        return []
    mark = edges[0].reference.mark
    missing = [path for path, known in zip(named, expected, strict=True) if known not in given]
    if missing:
        message = f"{concat}: the tagger '{source}' also reads {', '.join(missing)}"
        return [Problem.at(mark, "W015", message, "give each embedding of the tagger a part, and join them all")]
    right = ", ".join(given[path] for path in expected)
    message = f"{concat}: the tagger '{source}' joins its embeddings in another order"
    return [Problem.at(mark, "W015", message, f"flair sorts them by name; write inputs: [{right}]")]
