"""The JSON Schema of the spec language, put together from the kinds' own fragments, and the check against it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from assembler.parts.kind import LARGEST_SIZE, NAME
from assembler.problems import Problem, suggest
from assembler.wiring.tensors import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from assembler.parts.kind import Kind
    from assembler.problems import Mark
    from assembler.spec.yaml_text import Document, KeyPath, Value

#: The version of the spec language.
VERSION = 1
#: The opset that models are emitted at where the spec does not say.
DEFAULT_OPSET = 17
#: The opsets that every kind of ours can be emitted at.
OPSETS = (13, 22)
#: The largest tolerance of scores that a spec may allow.
LARGEST_TOLERANCE = 0.1
#: The ways to fill an input that a host and the proof know; `runtime/encoding.py` has the layouts.
FILLS = ("characters", "indices", "character_lengths", "token_lengths", "words", "striping")
#: The profiles that choose how parts are lowered.
PROFILES = ("portable",)

_LINE_END = r"(?!\n)"
_REFERENCE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[^\s]+)?$(?!\n)"
_FREE: Mapping[str, Value] = {"^x-": {"description": "Free for you: the assembler does not read it."}}


# JSON Schema takes 18.0 for a whole number; nothing behind the schema does.
_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def build_schema(kinds: Mapping[str, Kind]) -> dict[str, Value]:
    """Return the JSON Schema (draft 2020-12) of a stack spec for the given kinds."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "stack.v1.schema.json",
        "title": "Stack spec, version 1",
        "description": "How separately exported subgraphs are stitched into one ONNX model.",
        "type": "object",
        "required": ["version", "name", "graph", "outputs"],
        "additionalProperties": False,
        "patternProperties": dict(_FREE),
        "properties": {
            "version": {
                "const": VERSION,
                "description": "The version of the spec language.",
                "examples": [VERSION],
            },
            "name": {
                "type": "string",
                "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)",
                "maxLength": 100,
                "description": "The name of the stack, and of the file that is written unless the command line says "
                "otherwise.",
                "examples": ["de-pos"],
            },
            "description": _text("A sentence about the stack.", "German part-of-speech tags."),
            "opset": {
                "type": "integer",
                "minimum": OPSETS[0],
                "maximum": OPSETS[1],
                "default": DEFAULT_OPSET,
                "description": "The version of ONNX's operators that the model uses.",
                "examples": [DEFAULT_OPSET],
            },
            "profile": {
                "enum": list(PROFILES),
                "default": PROFILES[0],
                "description": "How parts are lowered; never what they compute.",
                "examples": [PROFILES[0]],
            },
            "sources": _map("Where weights come from, by name.", _source(), {"tagger": {"flair": "de-pos.pt"}}),
            "inputs": _map(
                "The model's named dynamic inputs, in this order.",
                _input(),
                {"lengths": {"type": "int64", "shape": ["sentences"]}},
            ),
            "graph": _map("The parts, by id.", _node(kinds), {"words": dict(kinds["concat"].example)}, least=1),
            "outputs": _map(
                "The model's named outputs, in this order: `part.port` for each.",
                {"type": "string", "pattern": _REFERENCE, "description": "What feeds it.", "examples": ["head.scores"]},
                {"scores": "head.scores"},
                least=1,
            ),
            "proof": _proof(),
        },
    }


def _text(description: str, example: str) -> dict[str, Value]:
    return {"type": "string", "description": description, "examples": [example]}


def _map(description: str, item: dict[str, Value], example: Value, *, least: int = 0) -> dict[str, Value]:
    return {
        "type": "object",
        "description": description,
        "examples": [example],
        "minProperties": least,
        "propertyNames": {"pattern": f"{NAME}|^x-"},
        "patternProperties": dict(_FREE),
        "additionalProperties": item,
    }


def _source() -> dict[str, Value]:
    common: dict[str, Value] = {
        "sha256": {
            "type": "string",
            "pattern": r"^[0-9a-f]{64}$(?!\n)",
            "description": "The digest that the file must have. `assemble` prints the digest of what it read.",
            "examples": ["5d0c3a17" + "0" * 56],
        },
    }
    flair: dict[str, Value] = {
        "flair": _text(
            "A flair checkpoint: a path relative to this file, or a name that flair knows.", "weights/demo-pos.pt"
        ),
        "revision": _text("The revision of a hub model, so that an update on the hub changes nothing.", "refs/pr/4"),
        **common,
    }
    onnx: dict[str, Value] = {
        "onnx": _text("An exported subgraph: a path relative to this file.", "lm.onnx"),
        "convert": {
            "type": "boolean",
            "default": False,
            "description": "Convert the file to the spec's opset where it has another one.",
            "examples": [True],
        },
        **common,
    }
    return {
        "type": "object",
        "description": "One source: a flair checkpoint or an ONNX file.",
        "examples": [{"flair": "de-pos.pt"}, {"onnx": "lm.onnx"}],
        "if": {"required": ["onnx"]},
        "then": {
            "required": ["onnx"],
            "properties": onnx,
            "additionalProperties": False,
            "patternProperties": dict(_FREE),
        },
        "else": {
            "required": ["flair"],
            "properties": flair,
            "additionalProperties": False,
            "patternProperties": dict(_FREE),
        },
    }


def _input() -> dict[str, Value]:
    return {
        "type": "object",
        "description": "One named dynamic input.",
        "examples": [{"type": "int64", "shape": ["characters", "sentences"]}],
        "required": ["type", "shape"],
        "additionalProperties": False,
        "patternProperties": dict(_FREE),
        "properties": {
            "type": {"enum": list(DTYPES), "description": "Its element type.", "examples": ["int64"]},
            "shape": {
                "type": "array",
                "maxItems": 8,
                "items": {"type": ["string", "integer"], "pattern": NAME, "minimum": 1, "maximum": LARGEST_SIZE},
                "description": "Its dims: a name for a dynamic one, a number for a fixed one. Dims of one name have "
                "one size.",
                "examples": [["characters", "sentences"]],
            },
            "fill": {
                "enum": list(FILLS),
                "description": "How a host fills it, where the wiring does not tell.",
                "examples": ["striping"],
            },
            "range": {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "integer"}],
                "minItems": 2,
                "maxItems": 2,
                "description": "The least and the greatest value that a proof on random values draws.",
                "examples": [[0, 99]],
            },
        },
    }


def _node(kinds: Mapping[str, Kind]) -> dict[str, Value]:
    return {
        "type": "object",
        "description": "One part: its kind, what feeds it, and its parameters.",
        "examples": [dict(kind.example) for kind in kinds.values()],
        "required": ["kind"],
        "properties": {
            "kind": {
                "enum": list(kinds),
                "description": "The kind of part.",
                "examples": ["char_lm"],
            }
        },
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]},
                "then": _kind(kind),
            }
            for kind in kinds.values()
        ],
    }


def _kind(kind: Kind) -> dict[str, Value]:
    reference: dict[str, Value] = {"type": "string", "pattern": _REFERENCE}
    items: dict[str, Value] = {"items": reference, "minItems": 1}
    properties: dict[str, Value] = {
        "kind": {"const": kind.name, "description": kind.summary, "examples": [kind.name]},
        "description": _text("A sentence about the part.", "Reads left to right."),
        "inputs": {
            "type": ["object", "array"],
            "patternProperties": dict(_FREE),
            "additionalProperties": {"type": ["string", "array"], "pattern": _REFERENCE, **items},
            **items,
            "description": "What feeds each port: `part.port`, or the name of an input. A list feeds the only port.",
            "examples": [kind.example.get("inputs", {})],
        },
    }
    if kind.weights:
        properties["weights"] = {
            "type": "string",
            "pattern": _REFERENCE,
            "description": "Where its weights are: a source, or a path into one.",
            "examples": [kind.example.get("weights", "tagger.head")],
        }
    properties.update({name: dict(schema) for name, schema in kind.parameters.items()})
    return {
        "title": kind.name,
        "description": kind.summary,
        "properties": properties,
        "required": ["kind", *(["weights"] if kind.weights else []), *kind.required],
        "additionalProperties": False,
        "patternProperties": dict(_FREE),
    }


def _proof() -> dict[str, Value]:
    return {
        "type": "object",
        "description": "What the assembled model must equal before it is written.",
        "examples": [{"against": "tagger", "sentences": "samples/de.txt", "scores_within": 1e-5}],
        "additionalProperties": False,
        "patternProperties": dict(_FREE),
        "properties": {
            "against": {
                "type": "string",
                "pattern": NAME,
                "description": "The source whose loaded model is the reference. Without it, each part is run alone, "
                "one after the other, and must give the same.",
                "examples": ["tagger"],
            },
            "sentences": _text(
                "A file of sentences, one a line, tokens separated by spaces; relative to this file. Hard sentences "
                "(one token, one character, long, emoji, unknown characters) are always added.",
                "samples/de.txt",
            ),
            "scores_within": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": LARGEST_TOLERANCE,
                "default": 1e-5,
                "description": "The largest difference of a score that still counts as equal. Tags must all be equal.",
                "examples": [1e-5],
            },
        },
    }


def schema_problems(document: Document, schema: Mapping[str, Value], kinds: Iterable[str]) -> list[Problem]:
    """Return every violation of the schema, each at its place (S001 to S005)."""
    validator = _Validator(cast("dict[str, object]", schema))
    names = list(kinds)
    problems: list[Problem] = []
    for error in validator.iter_errors(document.root):
        for leaf in _leaves(error):
            problems.extend(_problems(leaf, document, names))
    return problems


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Follow `if`/`then` and `allOf` down to what is wrong; of alternatives, take the one that fits best."""
    if error.validator in {"if", "allOf"} and error.context:
        for child in error.context:
            yield from _leaves(child)
    elif error.validator in {"anyOf", "oneOf"} and error.context:
        best = best_match([error])
        yield best if best is not None else error
    else:
        yield error


def _path(error: ValidationError) -> KeyPath:
    return tuple(error.absolute_path)


def _problems(error: ValidationError, document: Document, kinds: list[str]) -> Iterator[Problem]:
    path = _path(error)
    where = f"'{_dotted(path)}'" if path else "the spec"
    if error.validator == "additionalProperties":
        yield from _unknown_keys(error, document, path, where)
    elif error.validator == "required":
        yield from _missing_key(error, document, path, where)
    elif path and path[-1] == "kind" and error.validator in {"enum", "type"}:
        got = error.instance
        hint = suggest(str(got), kinds, what="known kinds")
        yield Problem.at(document.mark(path), "S005", f"{where}: there is no kind {_show(got)}", hint)
    elif error.validator == "type":
        message = f"{where}: got {_describe(error.instance)}, expected {_expected(error.validator_value)}"
        yield Problem.at(document.mark(path), "S003", message)
    else:
        yield Problem.at(_value_mark(error, document, path), "S004", f"{where}: {_rule(error)}", _rule_hint(error))


def _value_mark(error: ValidationError, document: Document, path: KeyPath) -> Mark:
    is_name = "propertyNames" in error.absolute_schema_path
    if is_name and isinstance(error.instance, str):
        return document.key_mark((*path, error.instance))
    return document.mark(path)


def _unknown_keys(error: ValidationError, document: Document, path: KeyPath, where: str) -> Iterator[Problem]:
    schema = cast("dict[str, dict[str, Value]]", error.schema)
    known = list(schema.get("properties", {}))
    for key in cast("dict[str, Value]", error.instance):
        if key not in known and not re.match("^x-", key):
            mark = document.key_mark((*path, key))
            hint = suggest(key, known, what="keys here") + " (keys that begin with 'x-' are free)"
            yield Problem.at(mark, "S001", f"{where}: unknown key '{key}'", hint)


def _missing_key(error: ValidationError, document: Document, path: KeyPath, where: str) -> Iterator[Problem]:
    required = cast("list[str]", error.validator_value)
    schema = cast("dict[str, dict[str, dict[str, Value]]]", error.schema)
    for key in required:
        if key not in cast("dict[str, Value]", error.instance) and f"{key!r}" in error.message:
            example = schema.get("properties", {}).get(key, {}).get("examples")
            hint = f"for example: {key}: {_show(example[0])}" if isinstance(example, list) and example else None
            if key == "flair":
                message = f"{where}: needs a key 'flair' or 'onnx'"
            else:
                message = f"{where}: the key '{key}' is missing"
            yield Problem.at(document.key_mark(path), "S002", message, hint)


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)


def _show(value: object) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - what fits a line


def _describe(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", type(None): "nothing"}
    name = names.get(type(value), "a number")
    return name if isinstance(value, dict | list | None) else f"{name} ({_show(value)})"


def _expected(types: object) -> str:
    names = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number"}
    listed = types if isinstance(types, list) else [types]
    return " or ".join(names.get(str(name), f"a {name}") for name in listed)


def _rule(error: ValidationError) -> str:  # noqa: PLR0911 - one return for each rule
    got, rule = _show(error.instance), error.validator_value
    if error.validator == "const":
        return f"got {got}, expected {_show(rule)}"
    if error.validator == "enum":
        return f"got {got}, expected one of {', '.join(str(item) for item in cast('list[Value]', rule))}"
    if error.validator == "pattern":
        return f"got {got}, which does not fit the pattern {str(rule).replace(_LINE_END, '')}"
    if error.validator in {"minimum", "maximum", "exclusiveMinimum"}:
        words = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
        return f"got {got}, expected {words[str(error.validator)]} {rule}"
    if error.validator in {"minProperties", "minItems"}:
        count = len(cast("list[Value]", error.instance))
        return f"got {count} {'entry' if count == 1 else 'entries'}, expected at least {rule}"
    if error.validator in {"maxItems", "maxLength"}:
        return f"got {len(cast('list[Value]', error.instance))}, expected at most {rule}"
    return error.message


def _rule_hint(error: ValidationError) -> str | None:
    if error.validator == "enum" and isinstance(error.instance, str):
        return suggest(error.instance, [str(item) for item in cast("list[Value]", error.validator_value)])
    if error.validator == "pattern" and "propertyNames" in error.absolute_schema_path:
        return "names are letters, digits and underscores, and begin with no digit"
    if error.validator == "pattern" and error.validator_value == _REFERENCE:
        return "write part.port, or the name of an input"
    return None


def schema_text(schema: Mapping[str, Value]) -> str:
    """Return the text of the schema file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
