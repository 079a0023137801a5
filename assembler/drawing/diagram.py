"""The content of a drawing of a wired stack, in any format: boxes, and arrows between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from assembler.core.tensors import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.spec.stack_spec import Node
    from assembler.wiring.graph import Edge, Wiring

#: What a box represents.
Role: TypeAlias = Literal["input", "part", "output"]


@dataclass(frozen=True, slots=True)
class Box:
    """An input, a part or an output.

    Attributes:
        role: Which of the three.
        lines: Its text: the name first; for a part then its kind, and its weights if it has any.
    """

    role: Role
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A tensor from one box to another.

    Attributes:
        tail: The index of the box that outputs it.
        head: The index of the box that takes it.
        ports: The port that outputs it and the port that takes it, if the boxes have ports.
        type: Its type, such as `int64[sentences]`.
    """

    tail: int
    head: int
    ports: str
    type: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """A stack to be drawn.

    Attributes:
        title: The name of the stack.
        boxes: Inputs, parts and outputs, each in the spec's order.
        arrows: Ordered by the box that takes them, then by its ports. They contain no loop.
    """

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def diagram(wiring: Wiring) -> Diagram:
    """Return the content of a drawing of a wired spec. All texts are `printable`."""
    spec = wiring.spec
    boxes = [
        *(Box("input", (printable(name),)) for name in spec.inputs),
        *(Box("part", _part_lines(node)) for node in spec.graph.values()),
        *(Box("output", (printable(name),)) for name in spec.outputs),
    ]
    return Diagram(printable(spec.name), tuple(boxes), tuple(_arrows(wiring)))


def printable(text: str) -> str:
    r"""Return a text with `\n`, `\x01`, `\ud800` and the like written out.

    A quoted YAML scalar can hold any code point; XML 1.0 cannot hold most control characters, UTF-8 cannot hold a lone
    surrogate, and a line break would end a statement of mermaid.
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _part_lines(node: Node) -> tuple[str, ...]:
    lines = (node.name, node.kind, ", ".join(path.text for path in node.paths) or None)
    return tuple(printable(line) for line in lines if line is not None)


def _arrows(wiring: Wiring) -> Iterator[Arrow]:
    spec = wiring.spec
    # An output may have the name of a part, so outputs are numbered apart.
    place = {name: index for index, name in enumerate([*spec.inputs, *spec.graph])}
    for node in spec.graph:
        for edge in wiring.edges[node]:
            taken = _taking_port(wiring, edge)
            given = edge.reference.port
            ports = taken if given is None else f"{given} → {taken}"
            yield Arrow(place[edge.reference.owner], place[node], printable(ports), _type(wiring, edge.reference.text))
    for head, output in enumerate(spec.outputs.values(), start=len(place)):
        given = output.reference.port or ""
        yield Arrow(place[output.reference.owner], head, printable(given), _type(wiring, output.reference.text))


def _taking_port(wiring: Wiring, edge: Edge) -> str:
    """Return the port's name, with the index for a port that takes a list, because there the order matters."""
    variadic = any(port.variadic for port in wiring.inputs[edge.node] if port.name == edge.port)
    return f"{edge.port}[{edge.index}]" if variadic else edge.port


def _type(wiring: Wiring, reference: str) -> str:
    return printable(str(wiring.tensors.get(reference, UNKNOWN)))
