"""Reads a stack spec: text, then schema, then values. The wiring checks the meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from assembler.core.errors import SpecError
from assembler.core.problems import in_order
from assembler.core.tensors import TensorType
from assembler.forms.registry import COMMON, forms
from assembler.forms.source import Source
from assembler.parts.registry import kinds
from assembler.spec.defaults import DEFAULT_OPSET, DEFAULT_PROFILE
from assembler.spec.schema import build_schema, form_key
from assembler.spec.stack_spec import Connection, Input, Node, Output, Proof, Reference, Spec, WeightPath
from assembler.spec.trials import read_trials
from assembler.spec.violations import schema_problems
from assembler.spec.yaml_text import Document, parse, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.values import Value
    from assembler.spec.yaml_text import KeyPath

#: The keys of a node that are not parameters of its kind.
_COMMON = ("kind", "weights", "inputs", "description")
#: The tolerance of scores if the spec sets none.
DEFAULT_TOLERANCE = 1e-5


def load_spec(path: Path | str, *, confined: bool = False) -> Spec:
    """Read a spec file.

    Args:
        path: The file. Paths in the spec are relative to its folder.
        confined: Whether the file may be a stranger's: then neither it nor a file that it names is opened outside its
            folder.

    Raises:
        SpecError: With all problems of the first layer that has any: YAML (Y…), then schema (S…).
    """
    return replace(parse_spec(read_text(path, confined=confined), str(path)), confined=confined)


def parse_spec(text: str, file: str) -> Spec:
    """Read a spec from its text; `file` names it in problems, and its folder is where relative paths start."""
    document = parse(text, file)
    known = kinds()
    problems = in_order(schema_problems(document, build_schema(known, forms()), known, forms()))
    if problems:
        raise SpecError(*problems)
    return _spec(document)


def _mapping(value: Value) -> Mapping[str, Value]:
    entries = value if isinstance(value, dict) else {}
    return {key: item for key, item in entries.items() if not key.startswith("x-")}


def _spec(document: Document) -> Spec:
    root = _mapping(document.root)
    opset = root.get("opset", DEFAULT_OPSET)
    return Spec(
        name=str(root["name"]),
        description=str(root.get("description") or ""),
        opset=opset if isinstance(opset, int) else DEFAULT_OPSET,
        profile=str(root.get("profile", DEFAULT_PROFILE)),
        sources={name: _source(document, name, value) for name, value in _mapping(root.get("sources")).items()},
        inputs={name: _input(document, name, value) for name, value in _mapping(root.get("inputs")).items()},
        graph={name: _node(document, name, value) for name, value in _mapping(root["graph"]).items()},
        outputs={
            name: Output(name, _reference(document, ("outputs", name)), document.key_mark(("outputs", name)))
            for name in _mapping(root["outputs"])
        },
        proof=_proof(document, _mapping(root.get("proof"))),
        folder=Path(document.file).parent,
        document=document,
        opset_named="opset" in root,
    )


def _value(document: Document, path: KeyPath) -> Value:
    value: Value = document.root
    for part in path:
        value = cast("dict[str | int, Value]", value)[part]
    return value


def _reference(document: Document, path: KeyPath) -> Reference:
    text = str(_value(document, path))
    inputs = _mapping(_mapping(document.root).get("inputs"))
    return Reference(text, document.mark(path), text in inputs)


def _optional_text(value: Value) -> str | None:
    return None if value is None else str(value)


def _source(document: Document, name: str, value: Value) -> Source:
    entries = _mapping(value)
    form = form_key(entries, forms())
    return Source(
        name=name,
        form=form,
        location=str(entries[form]),
        sha256=_optional_text(entries.get("sha256")),
        mark=document.mark(("sources", name, form)),
        options={key: item for key, item in entries.items() if key not in {form, *COMMON}},
    )


def _input(document: Document, name: str, value: Value) -> Input:
    entries = _mapping(value)
    shape = cast("list[str | int] | None", entries.get("shape"))
    bounds = cast("list[int] | None", entries.get("range"))
    return Input(
        name=name,
        type=TensorType(str(entries["type"]), None if shape is None else tuple(shape)),
        fill=_optional_text(entries.get("fill")),
        range=(bounds[0], bounds[1]) if bounds else None,
        mark=document.key_mark(("inputs", name)),
    )


def _node(document: Document, name: str, value: Value) -> Node:
    entries = _mapping(value)
    path: KeyPath = ("graph", name)
    return Node(
        name=name,
        kind=str(entries["kind"]),
        weights=_optional_text(entries.get("weights")),
        connections=_connections(document, (*path, "inputs"), entries.get("inputs")),
        parameters={key: item for key, item in entries.items() if key not in _COMMON},
        mark=document.key_mark(path),
        kind_mark=document.mark((*path, "kind")),
        weights_mark=document.mark((*path, "weights")) if "weights" in entries else document.key_mark(path),
        paths=tuple(
            WeightPath(key, str(entries[key]), document.mark((*path, key)))
            for key in ("weights", *kinds()[str(entries["kind"])].sources)
            if key in entries
        ),
    )


def _connections(document: Document, path: KeyPath, value: Value) -> tuple[Connection, ...]:
    if isinstance(value, list):
        return (Connection(None, _listed(document, path, value), listed=True, mark=document.mark(path)),)
    connections = []
    for port, item in _mapping(value).items():
        at = (*path, port)
        listed = isinstance(item, list)
        references = _listed(document, at, item) if isinstance(item, list) else (_reference(document, at),)
        connections.append(Connection(port, references, listed, document.key_mark(at)))
    return tuple(connections)


def _listed(document: Document, path: KeyPath, items: list[Value]) -> tuple[Reference, ...]:
    return tuple(_reference(document, (*path, index)) for index in range(len(items)))


def _proof(document: Document, entries: Mapping[str, Value]) -> Proof:
    within = entries.get("scores_within", DEFAULT_TOLERANCE)
    changed = entries.get("tags_changed")
    loss = entries.get("accuracy_loss")
    least = _mapping(entries.get("at_least"))
    return Proof(
        against=_optional_text(entries.get("against")),
        sentences=_optional_text(entries.get("sentences")),
        scores_within=float(within) if isinstance(within, int | float) else DEFAULT_TOLERANCE,
        tolerance_set="scores_within" in entries,
        tags_changed=float(changed) if isinstance(changed, int | float) else None,
        outputs_changed=_by_output(entries.get("outputs_changed")),
        gold=_optional_text(entries.get("gold")),
        accuracy_loss=float(loss) if isinstance(loss, int | float) else None,
        at_least={name: count for name, count in least.items() if isinstance(count, int)},
        trials=read_trials(document, entries),
        mark=document.mark(("proof", "against")),
        sentences_mark=document.mark(("proof", "sentences")),
        gold_mark=document.mark(("proof", "gold")),
        at_least_mark=document.mark(("proof", "at_least")),
    )


def _by_output(given: Value) -> Mapping[str | None, float]:
    """Return a number for each output that is named, or one for all, under `None`."""
    if isinstance(given, int | float):
        return {None: float(given)}
    return {name: float(share) for name, share in _mapping(given).items() if isinstance(share, int | float)}
