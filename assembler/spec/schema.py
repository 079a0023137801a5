"""The JSON Schema of the spec language, put together from fragments of kinds and forms, and the check against it."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE, NAME, PUBLIC
from assembler.core.tensors import DTYPES
from assembler.interface.fill_rules import RULES
from assembler.passes.profiles import PROFILES
from assembler.spec.trials import trials_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assembler.core.values import Value
    from assembler.forms.form import SourceForm
    from assembler.parts.kind import Kind

#: The version of the spec language.
VERSION = 1
#: The opset at which models are emitted if the spec names none.
DEFAULT_OPSET = 17
#: The opsets at which every built-in kind can be emitted.
OPSETS = (13, 28)
#: The largest tolerance of scores that a spec may allow.
LARGEST_TOLERANCE = 0.1
#: The largest share of tags that a spec may let a lossy profile change, and of accuracy that it may let it lose. If
#: more than one tag in ten changes, it is another model, whose errors a user would take for the source's.
LARGEST_CHANGE = 0.1
#: The least that a proof has to cover if the spec does not say. `proof/coverage.py` counts it.
LEAST: Mapping[str, int] = MappingProxyType({"tokens": 30, "lengths": 3, "labels": 2, "spans": 10})
#: The profile of a spec that names none.
DEFAULT_PROFILE = "portable"

LINE_END = r"(?!\n)"
REFERENCE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[^\s]+)?$(?!\n)"
_FREE: Mapping[str, Value] = {"^x-": {"description": "Free for you: the assembler does not read it."}}


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
            "sources": _map("Where weights come from, by name.", _source(forms), {"tagger": {"flair": "de-pos.pt"}}),
            "inputs": _map(
                "The model's named dynamic inputs, in this order.",
                _input(),
                {"lengths": {"type": "int64", "shape": ["sentences"]}},
                names=PUBLIC,
            ),
            "graph": _map("The parts, by id.", _node(kinds), {"words": dict(kinds["concat"].example)}, least=1),
            "outputs": _map(
                "The model's named outputs, in this order: `part.port` for each.",
                {"type": "string", "pattern": PUBLIC, "description": "What feeds it.", "examples": ["head.scores"]},
                {"scores": "head.scores"},
                least=1,
                names=PUBLIC,
            ),
            "proof": _proof(),
        },
    }


def _text(description: str, example: str) -> dict[str, Value]:
    return {"type": "string", "description": description, "examples": [example]}


def _map(
    description: str, item: dict[str, Value], example: Value, *, least: int = 0, names: str = f"{NAME}|^x-"
) -> dict[str, Value]:
    return {
        "type": "object",
        "description": description,
        "examples": [example],
        "minProperties": least,
        "propertyNames": {"pattern": names},
        "patternProperties": dict(_FREE),
        "additionalProperties": item,
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
        "patternProperties": dict(_FREE),
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
                "items": {"type": ["string", "integer"], "pattern": NAME, "minimum": 0, "maximum": LARGEST_SIZE},
                "description": "Its dims: a name for a dynamic one, a number for a fixed one. Dims of one name have "
                "one size.",
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
        "description": _text("A sentence about the part.", "Reads left to right."),
        "inputs": {
            "type": ["object", "array"],
            "patternProperties": dict(_FREE),
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
                "description": "The source that the model must equal. Every part that outputs tags or labels is "
                "compared with its own loaded model, even if it is not named here. Of several such parts, that of the "
                "source named here is the model's first task. An exported subgraph is a whole model: its inputs and "
                "outputs are those of the stack with the same names. All other outputs of a model are compared with "
                "its parts run alone, one after another.",
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
            "tags_changed": {
                "type": "number",
                "minimum": 0,
                "maximum": LARGEST_CHANGE,
                "description": "The share of tags that a lossy profile (int8, fp16) may change in `sentences`, "
                "and in built-in text of the tagger's languages if these are few. If more change, or if the text is "
                "too short to show it, nothing is written. The default is the profile's own: 0.005. Exact profiles may "
                "change none. No more than one tag in ten can be allowed, because that would be another tagger.",
                "examples": [0.001],
            },
            "gold": _text(
                "A file of tokens with the labels that a person gave them, relative to this file: CoNLL-U (the label "
                "is column 4), columns with the label in the third (IOB2), or token and label with a tab between; "
                "empty lines between sentences. A lossy profile (int8, fp16) must keep the source's accuracy on it, or "
                "its F1 of spans if the tags are spans. It concerns the first task.",
                "samples/gold.conllu",
            ),
            "accuracy_loss": {
                "type": "number",
                "minimum": 0,
                "maximum": LARGEST_CHANGE,
                "default": 0.002,
                "description": "How much less of the gold text a lossy profile may get right than the source. If it "
                "loses more, nothing is written. No more than one in ten can be allowed, because that would be another "
                "tagger.",
                "examples": [0.002],
            },
            "at_least": _at_least(),
            **trials_schema(_FREE),
        },
    }


def _at_least() -> dict[str, Value]:
    counted = {
        "tokens": "Tokens of all sentences.",
        "lengths": "Different numbers of tokens that the sentences have.",
        "labels": "Different labels that the source assigns to them. Fewer than the default are not the text's fault: "
        "they are only reported, and refused if a number is set here.",
        "spans": "Spans that the source finds in them, if its tags are spans. If the file outputs none itself, "
        "fewer than the default are only reported.",
    }
    return {
        "type": "object",
        "description": "The least that a proof must cover; with less nothing is written. Each of several tasks must "
        "reach it. If a proof meets only a number below the default, the report and the file say that the model is "
        "proven on less.",
        "examples": [{"spans": 20, "labels": 10, "tokens": 500}],
        "additionalProperties": False,
        "patternProperties": dict(_FREE),
        "properties": {
            name: {
                "type": "integer",
                "minimum": 0,
                "maximum": 1_000_000,
                "default": LEAST[name],
                "description": text,
                "examples": [LEAST[name]],
            }
            for name, text in counted.items()
        },
    }


def schema_text(schema: Mapping[str, Value]) -> str:
    """Return the text of the schema file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
