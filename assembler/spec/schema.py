"""The JSON Schema of the spec language, put together from fragments of kinds and forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE, NAME, PUBLIC
from assembler.core.tensors import INPUT_TYPES
from assembler.interface.fill_rules import RULES
from assembler.passes.profiles import PROFILES
from assembler.spec.defaults import DEFAULT_OPSET, DEFAULT_PROFILE, OPSETS, VERSION
from assembler.spec.proof_schema import proof_schema
from assembler.spec.schema_pieces import FREE, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assembler.core.values import Value
    from assembler.forms.form import SourceForm
    from assembler.parts.kind import Kind

LINE_END = r"(?!\n)"
REFERENCE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[^\s]+)?$(?!\n)"


def build_schema(kinds: Mapping[str, Kind], forms: Mapping[str, SourceForm]) -> dict[str, Value]:
    """Return the JSON Schema (draft 2020-12) of a stack spec for the given kinds and forms of source."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "stack.v1.schema.json",
        "title": "Stack spec, version 1",
        "description": "How separately exported subgraphs are stitched into one ONNX model.",
        "type": "object",
        "required": ["version", "name", "graph", "outputs"],
        "additionalProperties": False,
        "patternProperties": dict(FREE),
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
            "description": text("A sentence about the stack.", "German part-of-speech tags."),
            "opset": {
                "type": "integer",
                "minimum": OPSETS[0],
                "maximum": OPSETS[1],
                "default": DEFAULT_OPSET,
                "description": "The version of ONNX's operators that the model uses. If it is not set, it is the "
                "newest that an exported subgraph of the stack has, or else the default.",
                "examples": [DEFAULT_OPSET],
            },
            "profile": {
                "enum": list(PROFILES),
                "default": DEFAULT_PROFILE,
                "description": "How parts are lowered; never what they compute. "
                + "; ".join(f"{profile.name}: {profile.summary}" for profile in PROFILES.values())
                + ".",
                "examples": ["cpu"],
            },
            "sources": mapping("Where weights come from, by name.", _source(forms), {"tagger": {"flair": "de-pos.pt"}}),
            "inputs": mapping(
                "The model's named dynamic inputs, in this order.",
                _input(),
                {"lengths": {"type": "int64", "shape": ["sentences"]}},
                names=PUBLIC,
            ),
            "graph": mapping("The parts, by id.", _node(kinds), {"words": dict(kinds["concat"].example)}, least=1),
            "outputs": mapping(
                "The model's named outputs, in this order: `part.port` for each.",
                {"type": "string", "pattern": PUBLIC, "description": "What feeds it.", "examples": ["head.scores"]},
                {"scores": "head.scores"},
                least=1,
                names=PUBLIC,
            ),
            "proof": proof_schema(),
        },
    }


def form_key(entries: Iterable[str], forms: Iterable[str]) -> str:
    """Return the form of a source with some keys, or the first form if none of the keys names one."""
    default, *others = forms
    return next((name for name in others if name in entries), default)


def _source(forms: Mapping[str, SourceForm]) -> dict[str, Value]:
    default, *others = forms.values()
    chosen = source_of(default)
    for form in reversed(others):
        chosen = {"if": {"required": [form.name]}, "then": source_of(form), "else": chosen}
    return {
        "type": "object",
        "description": f"One source: {' or '.join(form.title for form in forms.values())}.",
        "examples": [dict(form.example) for form in forms.values()],
        **chosen,
    }


def source_of(form: SourceForm) -> dict[str, Value]:
    """Return the schema of the sources of one form."""
    return {
        "title": form.title,
        "required": [form.name],
        "properties": {
            form.name: dict(form.location),
            **{name: dict(schema) for name, schema in form.keys.items()},
            "sha256": {
                "type": "string",
                "pattern": r"^[0-9a-f]{64}$(?!\n)",
                "description": "The digest that the file must have. `assemble` prints the digest of what it read.",
                "examples": ["5d0c3a17" + "0" * 56],
            },
        },
        "additionalProperties": False,
        "patternProperties": dict(FREE),
    }


def _input() -> dict[str, Value]:
    return {
        "type": "object",
        "description": "One named dynamic input.",
        "examples": [{"type": "int64", "shape": ["characters", "sentences"]}],
        "required": ["type"],
        "if": {"properties": {"type": {"type": "string", "pattern": r"\("}}},
        "else": {
            "required": ["shape"],
            "properties": {"shape": {"description": "Its dims.", "examples": [["characters", "sentences"]]}},
        },
        "additionalProperties": False,
        "patternProperties": dict(FREE),
        "properties": {
            "type": {
                "enum": list(INPUT_TYPES),
                "description": "Its element type; or `sequence(…)`, `optional(…)` or `optional(sequence(…))` of one.",
                "examples": ["int64"],
            },
            "shape": {
                "type": "array",
                "maxItems": 8,
                "items": {"type": ["string", "integer"], "pattern": NAME, "minimum": 0, "maximum": LARGEST_SIZE},
                "description": "Its dims: a name for a dynamic one, a number for a fixed one. Dims of one name have "
                "one size. Of a sequence or an optional, those of each tensor in it; they may be left out.",
                "examples": [["characters", "sentences"]],
            },
            "fill": {
                "enum": list(RULES),
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
    reference: dict[str, Value] = {"type": "string", "pattern": PUBLIC}
    items: dict[str, Value] = {"items": reference, "minItems": 1}
    properties: dict[str, Value] = {
        "kind": {"const": kind.name, "description": kind.summary, "examples": [kind.name]},
        "description": text("A sentence about the part.", "Reads left to right."),
        "inputs": {
            "type": ["object", "array"],
            "patternProperties": dict(FREE),
            "additionalProperties": {"type": ["string", "array"], "pattern": PUBLIC, **items},
            **items,
            "description": "What feeds each port: `part.port`, or the name of an input. A list feeds the only port.",
            "examples": [kind.example.get("inputs", {})],
        },
    }
    if kind.weights:
        properties["weights"] = {
            "type": "string",
            "pattern": REFERENCE,
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
        "patternProperties": dict(FREE),
    }


def schema_text(schema: Mapping[str, Value]) -> str:
    """Return the text of the schema file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
