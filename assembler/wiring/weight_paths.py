"""The paths by which parts name their weights: the source must exist, and its form must have such a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.problems import Known, Problem
from assembler.forms.registry import form_of, forms, reading
from assembler.parts.registry import kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.problems import Guesses
    from assembler.spec.stack_spec import Node, Spec, WeightPath


def weights_problems(spec: Spec, guesses: Guesses) -> Iterator[Problem]:
    """Yield a problem for each part whose weights cannot be at its path (W012, W023)."""
    sources = Known(spec.sources)
    for node in spec.graph.values():
        for path in node.paths:
            yield from _path_problems(spec, node, path, sources, guesses)


def _path_problems(spec: Spec, node: Node, path: WeightPath, sources: Known, guesses: Guesses) -> Iterator[Problem]:
    if path.source not in spec.sources:
        hint = guesses.suggest(path.source, sources, what="sources")
        yield Problem.at(path.mark, "W012", f"{node.name}: there is no source '{path.source}'", hint)
        return
    form = form_of(spec.sources[path.source])
    fitting = _fitting(node)
    if form.name not in fitting:
        message = f"{node.name}: kind '{node.kind}' takes its weights from a source of the form "
        message += f"{' or '.join(map(repr, fitting))}, '{path.source}' is of the form '{form.name}'"
        yield Problem.at(path.mark, "W012", message)
        return
    with reading(spec.sources[path.source]):
        wrong = form.misnamed(path.text, guesses)
    if wrong is not None:
        yield Problem.at(path.mark, "W023", f"{node.name}: {wrong.message}", wrong.hint)


def _fitting(node: Node) -> list[str]:
    """Return the forms of source that can have weights for a part."""
    sorts = kinds()[node.kind].sorts
    return [form.name for form in forms().values() if sorts is None or form.gives is None or sorts & form.gives]
