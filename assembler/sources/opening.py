"""Opens the sources of a spec and passes each part its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from assembler.core.errors import SourceError
from assembler.core.problems import Problem, in_order, suggest
from assembler.forms.registry import form_of, reading
from assembler.parts.registry import kinds, running
from assembler.sources.guarding import guarded
from assembler.spec.defaults import OPSETS
from assembler.weights.protocol import sort_of
from assembler.weights.several import SeveralWeights

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from assembler.forms.form import SourceForm
    from assembler.forms.opened import OpenedSource, SourceModel
    from assembler.forms.source import Source
    from assembler.spec.stack_spec import Node, Spec, WeightPath
    from assembler.weights.protocol import Weights

#: The most ports of all exported subgraphs together; a file counts once for each of its parts.
_MOST_PORTS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class OpenSources:
    """The sources of a spec, read.

    Attributes:
        opened: The sources by name.
        forms: The form of each.
        weights: The weights of each node that has any.
    """

    opened: Mapping[str, OpenedSource]
    forms: Mapping[str, SourceForm]
    weights: Mapping[str, Weights]

    def models(self) -> tuple[SourceModel, ...]:
        """Return the loaded models of all sources."""
        return tuple(model for source in self.opened.values() for model in source.models())

    def model_behind(self, path: str | None) -> SourceModel | None:
        """Return the loaded model from which a part's weights come, or `None` if they come from elsewhere."""
        source = self.opened.get((path or "").partition(".")[0])
        models = () if source is None else source.models()
        return next((model for model in models if f"{path}.".startswith(f"{model.prefix}.")), None)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each source's file."""
        return {name: source.digest for name, source in sorted(self.opened.items())}


def open_sources(spec: Spec, *, trust: bool, proven: bool = True) -> OpenSources:
    """Read every source of a spec.

    Args:
        spec: The spec.
        trust: Whether object pickles, which can run code, may be read.
        proven: Whether the built model will be compared with the sources.

    Raises:
        SpecError: The words to keep of a table cannot be read (W021).
        SourceError: A source is missing, pinned otherwise, not trusted, damaged or not supported (R001 to R007), or its
            form fails (K006).
        ModelError: An ONNX file has another opset (M001, M002).
    """
    opened: dict[str, OpenedSource] = {}
    setting = spec.setting(trust=trust, proven=proven)
    for name, source in spec.sources.items():
        with reading(source):
            found = form_of(source).open(source, setting)
            opened[name] = guarded(source, found)
    problems: list[Problem] = []
    weights: dict[str, Weights] = {}
    for node in spec.graph.values():
        given = {path.key: _part(node, path, opened[path.source], problems) for path in node.paths}
        known = {key: each for key, each in given.items() if each is not None}
        if known and len(known) == len(given):
            weights[node.name] = _as_told(spec, node, _together(node, known))
    if problems:
        raise SourceError(*in_order(problems))
    return OpenSources(opened, {name: form_of(source) for name, source in spec.sources.items()}, weights)


def _as_told(spec: Spec, node: Node, given: Weights) -> Weights:
    """Return the weights with what the spec wants changed of them."""
    from assembler.sources.vocabulary_cut import cut_as_told
    from assembler.weights.tables import TableWeights

    return cut_as_told(spec, node, given) if isinstance(given, TableWeights) else given


def _part(node: Node, path: WeightPath, source: OpenedSource, problems: list[Problem]) -> Weights | None:
    given = source.weights(path.text)
    if given is None:
        message = f"{node.name}: the source '{path.source}' has no part '{path.text}'"
        hint = suggest(path.text, source.paths(), what="its parts")
        problems.append(Problem.at(path.mark, "R007", message, hint))
        return None
    kind = kinds()[node.kind]
    with running(node):
        seen = kind.taken(given)
    if seen is None:
        sort = sort_of(given) or type(given).__name__
        wanted = "' or '".join(sorted(kind.sorts or {kind.name}))
        message = f"{node.name}: '{path.text}' is a part of kind '{sort}', not '{wanted}'"
        hint = f"parts of this checkpoint: {', '.join(source.paths())}"
        problems.append(Problem.at(path.mark, "R007", message, hint))
    return seen


def _together(node: Node, given: Mapping[str, Weights]) -> Weights:
    """Return what a part takes: its weights, or all of them where its kind takes several."""
    return SeveralWeights(given) if kinds()[node.kind].sources else given["weights"]


@runtime_checkable
class _WithPorts(Protocol):
    """Weights whose parts have their own ports."""

    @property
    def inputs(self) -> Collection[str]: ...

    @property
    def outputs(self) -> Collection[str]: ...


def open_headers(spec: Spec) -> tuple[dict[str, Weights], list[str]]:
    """Peek at the sources that reveal something without their weights, such as the ports of subgraphs.

    Returns:
        The known facts on the weights by node, and a note for each node whose source is missing.

    Raises:
        SourceError: A file exists but cannot be used (R001, R005, R006, R012, R014), or a form fails (K006).
    """
    problems: list[Problem] = []
    found = _peeked(spec, problems)
    headers: dict[str, Weights] = {}
    notes: list[str] = []
    for node in spec.graph.values():
        given = {path.key: found.get(path.source) for path in node.paths}
        absent = next((each for each in given.values() if isinstance(each, str)), None)
        known = {key: each for key, each in given.items() if each is not None and not isinstance(each, str)}
        if absent is not None:
            notes.append(f"{spec.document.file}: the ports of '{node.name}' are not checked: {absent}")
        elif known and len(known) == len(given):
            headers[node.name] = _together(node, known)
    ports = sum(len(each.inputs) + len(each.outputs) for each in headers.values() if isinstance(each, _WithPorts))
    if ports > _MOST_PORTS:
        message = f"its exported subgraphs have {ports} ports together, the most that are wired are {_MOST_PORTS}"
        problems.append(Problem("R012", message, file=spec.document.file))
    if problems:
        raise SourceError(*in_order(problems))
    return headers, notes


@runtime_checkable
class _WithOpset(Protocol):
    """Weights that are a graph at some opset; 0 if the file does not name it."""

    @property
    def opset(self) -> int: ...


def at_common_opset(spec: Spec, headers: Mapping[str, Weights]) -> Spec:
    """Return the spec with an opset, if it names none: the newest of its exported subgraphs.

    So a single file need not be converted, and others are only converted upward.
    """
    opsets = [each.opset for each in headers.values() if isinstance(each, _WithOpset) and each.opset]
    asked = any(source.options.get("convert") is True for source in spec.sources.values())
    if spec.opset_named or asked or not opsets:
        return spec
    exported = all(name in headers for name in spec.graph)  # built-in kinds are not emitted at older ones
    return replace(spec, opset=min(max(*opsets, 1 if exported else OPSETS[0]), OPSETS[1]))


def _peeked(spec: Spec, problems: list[Problem]) -> dict[str, Weights | str]:
    """Return what the forms know of those sources that the graph names."""
    named = dict.fromkeys(path.source for node in spec.graph.values() for path in node.paths)
    by_form: dict[str, list[Source]] = {}
    for name in named:
        if name in spec.sources:
            by_form.setdefault(spec.sources[name].form, []).append(spec.sources[name])
    found: dict[str, Weights | str] = {}
    for sources in by_form.values():
        peek = form_of(sources[0]).peek
        if peek is None:
            continue
        try:
            with reading(sources[0]):
                found |= peek(sources, spec.setting())
        except SourceError as err:
            problems += err.problems
    return found
