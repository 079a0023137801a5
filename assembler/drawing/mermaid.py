"""Draws a wired stack as a mermaid flowchart, which GitHub and many editors render in place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assembler.drawing.diagram import diagram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.drawing.diagram import Arrow, Box, Role
    from assembler.wiring.graph import Wiring

#: The brackets that decide a node's form: a stadium for inputs and outputs, a box for a part.
_FORMS: dict[Role, tuple[str, str]] = {"input": ("([", "])"), "part": ("[", "]"), "output": ("([", "])")}

#: Fill, stroke and text are all fixed: with one of them left to the theme, dark mode makes the text unreadable.
_STYLES: dict[Role, str] = {
    "input": "fill:#e3eefb,stroke:#4a7fb8,color:#1c2733",
    "part": "fill:#f7f1e3,stroke:#b08a3c,color:#1c2733",
    "output": "fill:#e2f3e7,stroke:#418a5d,color:#1c2733",
}

#: The characters that a label shows unchanged: letters and digits of any script, an underscore inside a word, and the
#: signs of types and paths. Quotes, `#`, `&`, `<` and `>` break a label, `:` after `style` makes mermaid drop the end
#: of an entity, and `*`, `~`, backticks and `_` at the edge of a word are markdown, which is read before entities are
#: (`encodeEntities` in packages/mermaid/src/utils.ts, `createText` in rendering-util/createText.ts).
_ODD = re.compile(r"[^\w ,.\[\]?→…/-]|(?<![^\W_])_|_(?![^\W_])")


def mermaid(wiring: Wiring) -> str:
    """Return a wired spec as the text of a mermaid flowchart, one statement a line, with a line break at the end.

    Inputs and outputs are stadiums, parts are boxes with id, kind and weights; each edge has its ports and its type.
    Nodes are numbered, so that no name can be a keyword of mermaid. The same wiring gives the same text.
    """
    shown = diagram(wiring)
    statements = [
        "flowchart TB",
        *(f"    {_node(index, box)}" for index, box in enumerate(shown.boxes)),
        *(f"    {_edge(arrow)}" for arrow in shown.arrows),
        *(f"    classDef {role} {style}" for role, style in _STYLES.items()),
    ]
    return "".join(f"{statement}\n" for statement in statements)


def _node(index: int, box: Box) -> str:
    opening, closing = _FORMS[box.role]
    return f"n{index}{opening}{_label(box.lines)}{closing}:::{box.role}"


def _edge(arrow: Arrow) -> str:
    return f"n{arrow.tail} -->|{_label([arrow.ports, arrow.type])}| n{arrow.head}"


def _label(lines: Iterable[str]) -> str:
    return f'"{"<br/>".join(_escaped(line) for line in lines)}"'


def _escaped(text: str) -> str:
    return _ODD.sub(lambda match: f"#{ord(match[0])};", text)
