"""Resolves the names in a spec: which node or input each reference means, and which port each connection feeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assembler.core.problems import Guesses, Known, Problem, listed, suggest
from assembler.forms.registry import form_of, forms
from assembler.interface.fill_rules import RULES
from assembler.parts.registry import kinds
from assembler.wiring.fills import reads_characters
from assembler.wiring.trial_checks import bounds, trials_problems
from assembler.wiring.weight_paths import weights_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.parts.kind import Port, Ports
    from assembler.spec.stack_spec import Connection, Input, Node, Reference, Spec

#: A reference, the node and port it feeds, and its index there.
Entry = tuple["Reference", str, str, int]


@dataclass(slots=True)
class Names:
    """What the names in a spec mean.

    Attributes:
        edges: For each node the edges that feed it.
        outputs: The nodes that the model's outputs come from.
        hunches: The owner that an unresolved reference most likely meant, and the node that it should feed, so that a
            typo is not also reported as an unused part.
        problems: The problems of names that could not be resolved.
        parts: The names of the parts.
        owners: Those of the parts and inputs.
        guesses: How many comparisons for guesses are left. When none is left, hunches are missing.
    """

    parts: Known
    owners: Known
    guesses: Guesses = field(default_factory=Guesses)
    edges: dict[str, list[Entry]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    hunches: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def resolve(spec: Spec, ports: Mapping[str, Ports]) -> Names:
    """Resolve every name. Problems: W001, W002, W008 to W012, W023."""
    names = Names(Known(spec.graph), Known([*spec.graph, *spec.inputs]))
    names.problems += [
        *_taken_twice(spec),
        *weights_problems(spec, names.guesses),
        *_dims(spec, names.guesses),
        *_ranges(spec),
        *trials_problems(spec, names.guesses),
        *_fills(spec),
        *_against(spec),
    ]
    for name, node in spec.graph.items():
        names.edges[name] = list(_connect(spec, ports, node, names))
    for name, output in spec.outputs.items():
        problem = _reference_problem(spec, ports, output.reference, names, "W009", f"the output '{name}'")
        if problem is not None:
            names.problems.append(problem)
            names.outputs += [hunch for hunch in _hunch(spec, output.reference, names) if hunch in spec.graph]
        else:
            names.outputs.append(output.reference.owner)
    names.problems += _fills_of_nothing(spec, ports, names)
    return names


def _hunch(spec: Spec, reference: Reference, names: Names) -> list[str]:
    """Return the owner that a reference has, or most likely meant."""
    owner = reference.owner
    meant = owner if owner in spec.graph or owner in spec.inputs else names.guesses.nearest(owner, names.owners)
    return [] if meant is None else [meant]


def _taken_twice(spec: Spec) -> Iterator[Problem]:
    for name, node in spec.graph.items():
        if name in spec.inputs:
            message = f"the name '{name}' is taken: an input has it (line {spec.inputs[name].mark.line})"
            yield Problem.at(node.mark, "W010", message, "parts and inputs share one space of names")
    for name, entry in spec.inputs.items():
        part = name.partition(".")[0]
        if part != name and part in spec.graph:
            message = f"the name '{name}' of an input reads as a port of the part '{part}'"
            yield Problem.at(entry.mark, "W010", message, "give the part another name")
    for name, output in spec.outputs.items():
        if name in spec.inputs:
            message = f"the name '{name}' is taken: an input has it (line {spec.inputs[name].mark.line})"
            yield Problem.at(output.mark, "W010", message, "inputs and outputs of a model share one space of names")


def _ranges(spec: Spec) -> Iterator[Problem]:
    for name, entry in spec.inputs.items():
        if entry.range is None:
            continue
        mark = spec.document.mark(("inputs", name, "range"))
        if entry.range[0] > entry.range[1]:
            message = f"{name}: the range begins at {entry.range[0]}, above its end, {entry.range[1]}"
            yield Problem.at(mark, "W020", message, "write [least, greatest]")
            continue
        low, high = bounds(entry.type.element or "float32")
        for value in entry.range:
            if not low <= value <= high:
                message = f"{name}: the range holds {value}, which no {entry.type.dtype} can be"
                hint = "the numbers of random text are of int64" if entry.type.element == "string" else None
                yield Problem.at(mark, "W020", message, hint)
                break


def _fills(spec: Spec) -> Iterator[Problem]:
    for name, entry in spec.inputs.items():
        if entry.fill is not None and not _has_layout(entry):
            axes, dtype = RULES[entry.fill].axes, RULES[entry.fill].dtype
            mark = spec.document.mark(("inputs", name, "fill"))
            message = f"{name}: the fill '{entry.fill}' is {dtype} with {axes} {'axis' if axes == 1 else 'axes'}, "
            yield Problem.at(mark, "W020", f"{message}the input is {entry.type}")


def _has_layout(entry: Input) -> bool:
    rule = RULES[entry.fill or ""]
    return entry.type.dtype == rule.dtype and entry.type.rank == rule.axes


def _fills_of_nothing(spec: Spec, ports: Mapping[str, Ports], names: Names) -> Iterator[Problem]:
    """Report inputs whose fill depends on a part that the input does not feed."""
    unsure = {owner for owner, _ in names.hunches}
    fed: dict[str, list[tuple[str, str]]] = {}
    for entries in names.edges.values():
        for reference, node, port, _ in entries:
            fed.setdefault(reference.text, []).append((node, port))
    for name, entry in spec.inputs.items():
        lacks = RULES[entry.fill].lacks if entry.fill else None
        if lacks is None or not _has_layout(entry) or name in unsure or names.guesses.spent:
            continue
        if _fill_has_part(spec, ports, names, name, fed.get(name, [])):
            continue
        mark = spec.document.mark(("inputs", name, "fill"))
        message = f"{name}: the fill '{entry.fill}' does not fit: the input {lacks}"
        yield Problem.at(mark, "W020", message, "without 'fill' the proof draws random values, and a host is told none")


def _fill_has_part(
    spec: Spec, ports: Mapping[str, Ports], names: Names, name: str, fed: Sequence[tuple[str, str]]
) -> bool:
    """Return whether the part that the fill of an input needs exists; `fills.py` derives the same."""
    fill = spec.inputs[name].fill
    wanted = "indices" if fill == "striping" else fill
    fitting = [
        (node, known.about)
        for node, port in fed
        for known in ports[node].inputs or ()
        if known.name == port and known.fill == wanted
    ]
    if fill not in {"indices", "striping"}:
        return bool(fitting)
    states = [ref for node, about in fitting for ref, _, port, _ in names.edges[node] if port == about]
    rows = {out.rows_of for ref in states if ref.owner in ports for out in ports[ref.owner].outputs or ()}
    if fill == "indices":  # states that nothing feeds are reported as another problem
        return "characters" in rows or len(states) < len(fitting)
    return "parts" in rows or any(reads_characters(known.outputs) for known in ports.values())


def _against(spec: Spec) -> Iterator[Problem]:
    against = spec.proof.against
    if against is not None and against not in spec.sources:
        hint = suggest(against, spec.sources, what="sources")
        yield Problem.at(spec.proof.mark, "W012", f"proof: there is no source '{against}'", hint)
    elif against is not None and not ((form := form_of(spec.sources[against])).reference or form.whole):
        able = " or ".join(each.name for each in forms().values() if each.reference or each.whole)
        message = f"proof: '{against}' is of the form '{form.name}', only a {able} model can be a reference"
        hint = "leave 'against' out: exported subgraphs are run alone for comparison"
        yield Problem.at(spec.proof.mark, "W012", message, hint)


def named_dims(spec: Spec) -> set[str]:
    """Return the names of dims in a spec: those of its inputs, and those of the open dims of its exported subgraphs."""
    named = {dim for entry in spec.inputs.values() for dim in entry.type.dims or () if isinstance(dim, str)}
    for node in spec.graph.values():
        for key in kinds()[node.kind].new_dims:
            dims = node.parameters.get(key)
            named |= {name for name in dims.values() if isinstance(name, str)} if isinstance(dims, dict) else set()
    return named


def _dims(spec: Spec, guesses: Guesses) -> Iterator[Problem]:
    known = {dim for entry in spec.inputs.values() for dim in entry.type.dims or () if isinstance(dim, str)}
    names = Known(known)
    for node in spec.graph.values():
        for key in kinds()[node.kind].dims:
            listed = node.parameters.get(key)
            for index, name in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(name, str) and name not in known:
                    mark = spec.document.mark(("graph", node.name, key, index))
                    hint = guesses.suggest(name, names, what="dims of the inputs")
                    yield Problem.at(mark, "W011", f"{node.name}: no input has a dim '{name}'", hint)


def _connect(spec: Spec, ports: Mapping[str, Ports], node: Node, names: Names) -> Iterator[Entry]:
    """Match a node's connections with the ports of its kind."""
    expected = ports[node.name].inputs
    known = {port.name: port for port in expected} if expected is not None else None
    fed: set[str] = set()
    for connection in node.connections:
        port = _port(node, connection, known, names)
        if port is None:
            hunches = (owner for ref in connection.references for owner in _hunch(spec, ref, names))
            names.hunches += [(owner, node.name) for owner in hunches]
            fed.update(_meant_ports(connection, known, names.guesses))
            continue
        fed.add(port)
        for index, reference in enumerate(connection.references):
            problem = _reference_problem(spec, ports, reference, names, "W001", f"{node.name}.{port}")
            if problem is not None:
                names.problems.append(problem)
                names.hunches += [(owner, node.name) for owner in _hunch(spec, reference, names)]
            else:
                yield reference, node.name, port, index
    for missing in (port for port, entry in (known or {}).items() if port not in fed and not entry.optional):
        message = f"nothing feeds the port '{missing}' of '{node.name}' (kind '{node.kind}')"
        names.problems.append(Problem.at(node.mark, "W008", message, f"write under inputs: {missing}: …"))


def _meant_ports(connection: Connection, known: Mapping[str, Port] | None, guesses: Guesses) -> list[str]:
    """Return the port that a misspelled one most likely meant, or all ports for a bare list, which names none."""
    if connection.port is None:
        return list(known or ())
    meant = guesses.nearest(connection.port, Known(known or ()))
    return [] if meant is None else [meant]


def _port(node: Node, connection: Connection, known: Mapping[str, Port] | None, names: Names) -> str | None:
    """Return the port that a connection feeds, or `None` after a problem was reported."""
    problems = names.problems
    if connection.port is None:
        if known is None or len(known) != 1:
            has = "its ports by name" if known is None else listed([*known]) or "no port at all"
            message = f"{node.name}: a bare list feeds the only port of a kind; '{node.kind}' has {has}"
            problems.append(Problem.at(connection.mark, "W002", message, "write inputs: {port: part.port, …}"))
            return None
        name = next(iter(known))
    else:
        name = connection.port
    if known is not None and name not in known:
        message = f"{node.name}: kind '{node.kind}' has no input port '{name}'"
        hint = names.guesses.suggest(name, Known(known), what="its input ports")
        problems.append(Problem.at(connection.mark, "W002", message, hint))
        return None
    if len(connection.references) > 1 and not (known and known[name].variadic):
        message = f"{node.name}: the port '{name}' takes one tensor, not a list of {len(connection.references)}"
        problems.append(Problem.at(connection.mark, "W002", message, "a part of kind 'concat' joins several"))
        return None
    return name


def _reference_problem(  # noqa: PLR0911 - one return for each thing that can be wrong
    spec: Spec, ports: Mapping[str, Ports], reference: Reference, names: Names, code: str, what: str
) -> Problem | None:
    """Return what is wrong with a reference, or `None`."""
    owner, port = reference.owner, reference.port
    if owner in spec.inputs and owner not in spec.graph:
        if code == "W009":
            message = f"{what}: '{reference.text}' is an input of the model, which no part computes"
            return Problem.at(reference.mark, code, message, "an output is part.port")
        if port is not None:
            message = f"{what}: '{owner}' is an input of the model and has no ports"
            return Problem.at(reference.mark, "W002", message, f"write '{owner}'")
        return None
    if owner not in spec.graph:
        only_parts = code == "W009"
        known = names.parts if only_parts else names.owners
        hint = names.guesses.suggest(owner, known, what="parts" if only_parts else "parts and inputs")
        thing = "part" if only_parts else "part or input"
        return Problem.at(reference.mark, code, f"{what}: there is no {thing} '{owner}'", hint)
    outputs = ports[owner].outputs
    if port is None:
        hint = f"write '{owner}.{outputs[0].name}'" if outputs else f"write '{owner}.' and one of its ports"
        return Problem.at(reference.mark, "W002", f"{what}: '{owner}' is a part; say which of its ports", hint)
    if outputs is not None and port not in {candidate.name for candidate in outputs}:
        hint = names.guesses.suggest(port, Known(out.name for out in outputs), what="its output ports")
        message = f"{what}: kind '{spec.graph[owner].kind}' has no output port '{port}'"
        return Problem.at(reference.mark, "W009" if code == "W009" else "W002", message, hint)
    return None
