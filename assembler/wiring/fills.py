"""Derives from the wiring how a host fills each input of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.interface.fill_rules import RULES
from assembler.wiring.origins import fed_port, joined_in, port_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.parts.kind import Port
    from assembler.spec.stack_spec import Reference
    from assembler.wiring.graph import Edge, Wiring


@dataclass(frozen=True, slots=True)
class Fill:
    """How one input is filled.

    Attributes:
        rule: One of `interface.fill_rules.RULES`, or `None` if neither the spec nor the wiring decides it.
        subjects: The nodes that the input concerns, of the rule's sort; several may share one input.
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
    found = [_fill_at(wiring, edge) for edges in wiring.edges.values() for edge in edges if edge.reference.text == name]
    rules = {fill.rule for fill in found}
    if told is None and (len(rules) != 1 or None in rules):
        return Fill(None)
    rule = told or next(iter(rules))
    matching = [fill for fill in found if fill.rule == rule]
    subjects = tuple(dict.fromkeys(subject for fill in matching for subject in fill.subjects))
    parts = max((fill.parts for fill in matching), default=0)
    if rule == "striping" and not parts:
        parts = sum(map(reads_characters, wiring.outputs.values()))
    return Fill(rule, subjects, parts)


def _fill_at(wiring: Wiring, edge: Edge) -> Fill:
    """Return how the port at the end of an edge says that its input is filled."""
    port = fed_port(wiring, edge)
    rule = RULES.get(port.fill or "")
    if port.about is None:
        return Fill(port.fill, (edge.node,) if rule is not None and rule.subject is not None else ())
    states = wiring.feeding(edge.node, port.about)[0].reference
    given = port_of(wiring, states)
    rows = None if given is None else given.rows_of
    if port.fill == "indices":
        return _rows(wiring, states, rows)
    return Fill(port.fill, (states.owner,)) if rows == "subtokens" else Fill(None)


def _rows(wiring: Wiring, states: Reference, rows: str | None) -> Fill:
    """Return the meaning of indices into states: a position in a text, or a row of joined parts."""
    if rows == "characters":
        return Fill("indices", (states.owner,))
    return Fill("striping", parts=len(joined_in(wiring, states))) if rows == "parts" else Fill(None)


def reads_characters(outputs: Iterable[Port] | None) -> bool:
    """Return whether a part with some output ports is a language model: its rows are characters."""
    return any(port.rows_of == "characters" for port in outputs or ())
