"""Bounds what the functions of an ONNX file expand to: a few functions that each call the one before twice are enough.

The functions are never expanded: counts are sums over their calls. They stop at the limits, so that they stay small.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Domain, name and overload: what a node calls a function by.
Key: TypeAlias = tuple[bytes, bytes, bytes]

#: The most nodes that a file may have, including those to which its functions expand.
MOST_NODES = 1_000_000
#: How many functions may call each other in a row.
DEEPEST_CALL = 100
#: The most bytes to which functions may expand, including their constants.
MOST_BYTES = 1 << 31


class UnboundedError(ValueError):
    """A file expands to more than a machine can handle."""


@dataclass(slots=True)
class Body:
    """The content of the main graph, or of one function: nodes, bytes, and how often it calls each function."""

    nodes: int = 0
    size: int = 0
    calls: Counter[Key] = field(default_factory=Counter)


def require_few(bodies: Mapping[Key | None, Body], most_nodes: int, most_called: int) -> None:
    """Refuse functions that call themselves, and those that expand to too much.

    Args:
        bodies: The content of each function, and of the main graph, whose key is `None`.
        most_nodes: The most nodes, including those to which functions expand.
        most_called: The most nodes to which functions may expand.

    Raises:
        UnboundedError: There are more, or a function calls itself.
    """
    known: dict[Key | None, tuple[int, int, int]] = {}
    main = bodies[None]
    for key in _called_first(bodies):
        body = bodies[key]
        inner = [(known[callee], times) for callee, times in body.calls.items() if callee in bodies]
        depth = 1 + max((found[2] for found, _ in inner), default=0)
        if key is not None and depth > DEEPEST_CALL:
            message = f"more than {DEEPEST_CALL} of its functions call each other in a row"
            raise UnboundedError(message)
        nodes = body.nodes + sum(found[0] * times for found, times in inner)
        size = body.size + sum(found[1] * times for found, times in inner)
        known[key] = min(nodes, most_nodes + 1), min(size, MOST_BYTES + len(bodies) + main.size), depth
    nodes, size, _ = known[None]
    called = nodes - main.nodes
    if called > most_called or (called and nodes > most_nodes):
        message = f"its functions expand to more than {min(most_called, most_nodes)} nodes"
        raise UnboundedError(message)
    if nodes > most_nodes:
        message = f"it has more than {most_nodes} nodes"
        raise UnboundedError(message)
    if size - main.size > MOST_BYTES:
        message = "its functions expand to more than 2 GB"
        raise UnboundedError(message)


def shown(key: Key) -> str:
    """Return the name of a function as it is printed."""
    return ascii(key[1].decode("utf-8", "replace"))[1:-1][:60]


def _called_first(bodies: Mapping[Key | None, Body]) -> Iterator[Key | None]:
    """Yield every body after those that it calls.

    Raises:
        UnboundedError: A function calls itself, if only by way of others.
    """
    done: set[Key | None] = set()
    for root, body in bodies.items():
        open_: dict[Key | None, Iterator[Key]] = {root: iter(body.calls)} if root not in done else {}
        while open_:
            key, calls = next(reversed(open_.items()))
            callee = next((each for each in calls if each in bodies and each not in done), None)
            if callee is None:
                del open_[key]
                done.add(key)
                yield key
            elif callee in open_:
                message = f"its function '{shown(callee)}' calls itself"
                raise UnboundedError(message)
            else:
                open_[callee] = iter(bodies[callee].calls)
