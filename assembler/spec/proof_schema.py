"""The JSON Schema of `proof`: what a model must equal, on which text, and how nearly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import NAME, PUBLIC
from assembler.passes.profiles import PROFILES
from assembler.spec.defaults import LARGEST_CHANGE, LARGEST_TOLERANCE, LEAST
from assembler.spec.schema_pieces import FREE, text
from assembler.spec.trials import trials_schema

if TYPE_CHECKING:
    from assembler.core.values import Value


def proof_schema() -> dict[str, Value]:
    """Return the schema of the key `proof`."""
    return {
        "type": "object",
        "description": "What the assembled model must equal before it is written.",
        "examples": [{"against": "tagger", "sentences": "samples/de.txt", "scores_within": 1e-5}],
        "additionalProperties": False,
        "patternProperties": dict(FREE),
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
            "sentences": text(
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
            "outputs_changed": _outputs_changed(),
            "gold": text(
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
            **trials_schema(),
        },
    }


def _outputs_changed() -> dict[str, Value]:
    usual = " and ".join(f"{each.relative_error} ({each.name})" for each in PROFILES.values() if each.relative_error)
    return {
        "type": ["number", "object"],
        "minimum": 0,
        "maximum": LARGEST_CHANGE,
        "propertyNames": {"pattern": PUBLIC},
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": LARGEST_CHANGE},
        "description": "How much of an output a lossy profile (int8, fp16) may change where the model gives no tags: "
        "one number for all outputs, or one for each by its name. Of floats it is the relative error, the root of the "
        "summed squares of the differences over that of the source's values; values that are equal count on neither "
        "side. Of whole numbers, bools and text it is the share of values that differ. It is measured on `cases`, or "
        "on random values if there are none. If an output changes more, nothing is written. The defaults are the "
        f"profile's own: a relative error of {usual}, and a share of 0.005.",
        "examples": [{"scores": 0.02, "classes": 0.01}],
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
        "patternProperties": dict(FREE),
        "properties": {
            name: {
                "type": "integer",
                "minimum": 0,
                "maximum": 1_000_000,
                "default": LEAST[name],
                "description": meaning,
                "examples": [LEAST[name]],
            }
            for name, meaning in counted.items()
        },
    }
