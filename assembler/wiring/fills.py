"""Tells from the wiring how a host fills each input of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.interface.fill_rules import RULES

if TYPE_CHECKING:
    from assembler.wiring.graph import Edge, Wiring


#: Rules that speak of the encoder whose states are pooled.
_OF_POOLING = ("first_subtokens", "last_subtokens", "subtoken_words")


@dataclass(frozen=True, slots=True)
class Fill:
    """How one input is filled.

    Attributes:
        rule: One of `interface.fill_rules.RULES`, or `None` where neither the spec nor the wiring tells.
        subjects: The nodes that the input speaks of, of the rule's sort; several may share one input.
        parts: For `striping`, how many parts are interleaved.
    """

    rule: str | None
    subjects: tuple[str, ...] = ()
    parts: int = 0


def fills(wiring: Wiring) -> dict[str, Fill]:
    """Return how each input of the model is filled, in the spec's order."""
    return {name: _fill(wiring, name) for name in wiring.spec.inputs}


def _fill(wiring: Wiring, name: str) -> Fill:
    told = wiring.spec.inputs[name].fill
    found = [_at(wiring, edge) for edges in wiring.edges.values() for edge in edges if edge.reference.text == name]
    rules = {fill.rule for fill in found}
    if told is None and (len(rules) != 1 or None in rules):
        return Fill(None)
    rule = told or next(iter(rules))
    matching = [fill for fill in found if fill.rule == rule]
    subjects = tuple(dict.fromkeys(subject for fill in matching for subject in fill.subjects))
    parts = max((fill.parts for fill in matching), default=0)
    if rule == "striping" and not parts:
        parts = sum(node.kind == "char_lm" for node in wiring.spec.graph.values())
    return Fill(rule, subjects, parts)


def _at(wiring: Wiring, edge: Edge) -> Fill:
    """Return what the port at the end of an edge says of the input that feeds it."""
    port = next(port for port in wiring.inputs[edge.node] if port.name == edge.port)
    if port.fill == "indices":
        return _rows(wiring, edge.node)
    if port.fill in _OF_POOLING:
        encoder = wiring.feeding(edge.node, "states")[0].reference.owner
        node = wiring.spec.graph.get(encoder)
        return Fill(port.fill, (encoder,)) if node is not None and node.kind == "transformer" else Fill(None)
    rule = RULES.get(port.fill or "")
    return Fill(port.fill, (edge.node,) if rule is not None and rule.subject is not None else ())


def _rows(wiring: Wiring, node: str) -> Fill:
    """Return what indices into the states of a `gather` mean: a position in a text, or a row of joined parts."""
    source = wiring.feeding(node, "states")[0].reference.owner
    if source not in wiring.spec.graph:
        return Fill(None)
    kind = wiring.spec.graph[source].kind
    if kind == "char_lm":
        return Fill("indices", (source,))
    if kind == "concat" and wiring.views[source].parameters.get("axis", -1) == 0:
        return Fill("striping", parts=len(wiring.feeding(source, "inputs")))
    return Fill(None)


def joined_embeddings(wiring: Wiring, node: str) -> list[tuple[str, ...]]:
    """Return for each tensor that a `concat` joins the nodes with weights behind it, which are those of embeddings."""
    return [_behind(wiring, edge.reference.owner) for edge in wiring.feeding(node, "inputs")]


def _behind(wiring: Wiring, owner: str) -> tuple[str, ...]:
    if owner not in wiring.spec.graph:
        return ()
    if wiring.spec.graph[owner].weights is not None:
        return (owner,)
    # what computes the indices of a gather has weights in its name too, but no vectors come from it
    edges = (edge for edge in wiring.edges[owner] if edge.port != "indices")
    found = (model for edge in edges for model in _behind(wiring, edge.reference.owner))
    return tuple(dict.fromkeys(found))
