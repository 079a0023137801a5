"""What a spec tells a proof to try: the JSON Schema of these keys, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE, NAME
from assembler.spec.schema_pieces import FREE
from assembler.spec.stack_spec import Drawn, Trials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.values import Value
    from assembler.spec.yaml_text import Document

#: The largest number of sizes that are tried for one dim.
MOST_SIZES = 8
#: How many sizes of a range are tried: its least, its greatest, and some between.
_OF_RANGE = 3


def trials_schema() -> dict[str, Value]:
    """Return the schema of each key."""
    size: dict[str, Value] = {"type": "integer", "minimum": 0, "maximum": LARGEST_SIZE}
    number: dict[str, Value] = {"type": "number"}
    return {
        "sizes": {
            "type": "object",
            "description": "The sizes that dims of the inputs have in a proof on random values: a number, a list of "
            "numbers, or a range, from which the least, the greatest and one between are taken. By default it tries "
            "1, 5 and 33, and others if a part refuses these.",
            "examples": [{"batch": [1, 4], "height": {"range": [32, 256], "multiple_of": 32}}],
            "propertyNames": {"pattern": NAME},
            "additionalProperties": {
                "type": ["integer", "array", "object"],
                "minimum": 0,
                "maximum": LARGEST_SIZE,
                "items": dict(size),
                "minItems": 1,
                "maxItems": MOST_SIZES,
                "properties": {
                    "range": {
                        "type": "array",
                        "prefixItems": [dict(size), dict(size)],
                        "minItems": 2,
                        "maxItems": 2,
                        "description": "The least and the greatest size.",
                        "examples": [[32, 256]],
                    },
                    "multiple_of": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": LARGEST_SIZE,
                        "default": 1,
                        "description": "What each size is a multiple of.",
                        "examples": [32],
                    },
                },
                "required": ["range"],
                "additionalProperties": False,
                "patternProperties": dict(FREE),
            },
        },
        "inputs": {
            "type": "object",
            "description": "What a proof on random values draws for an input.",
            "examples": [{"image": {"range": [0, 1]}, "mode": {"values": [0, 2]}}],
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "range": {
                        "type": "array",
                        "prefixItems": [dict(number), dict(number)],
                        "minItems": 2,
                        "maxItems": 2,
                        "description": "The least and the greatest value.",
                        "examples": [[0, 1]],
                    },
                    "values": {
                        "type": "array",
                        "items": {"type": ["number", "string", "boolean"]},
                        "minItems": 1,
                        "maxItems": 1024,
                        "description": "The values that are chosen from.",
                        "examples": [[8, 16]],
                    },
                },
                "additionalProperties": False,
                "patternProperties": dict(FREE),
            },
        },
        "cases": {
            "type": "string",
            "minLength": 1,
            "description": "A file of arrays that `numpy.savez` has written, relative to this file: an array for each "
            "input, by its name, and the expected arrays for outputs. Several cases have their names as prefixes: "
            "`first/image`, `second/image`. The tensors of a sequence are numbered: `boxes[0]`, `boxes[1]`.",
            "examples": ["samples/cases.npz"],
        },
    }


def read_trials(document: Document, entries: Mapping[str, Value]) -> Trials:
    """Return what the `proof` section of a spec tells to try."""
    sizes, inputs, cases = entries.get("sizes"), entries.get("inputs"), entries.get("cases")
    return Trials(
        {name: _sizes(given) for name, given in sizes.items()} if isinstance(sizes, dict) else {},
        {name: _drawn(given) for name, given in inputs.items()} if isinstance(inputs, dict) else {},
        cases if isinstance(cases, str) else None,
        document.mark(("proof", "cases")),
    )


def _sizes(given: Value) -> tuple[int, ...]:
    if isinstance(given, int):
        return (given,)
    if isinstance(given, list):
        return tuple(size for size in given if isinstance(size, int))
    entries = given if isinstance(given, dict) else {}
    least, greatest = _pair(entries.get("range")) or (1, 1)
    step = entries.get("multiple_of", 1)
    step = step if isinstance(step, int) else 1
    first, last = -(-int(least) // step), int(greatest) // step
    if first > last:
        return ()
    places = {first + (last - first) * number // (_OF_RANGE - 1) for number in range(_OF_RANGE)}
    return tuple(step * place for place in sorted(places))


def _drawn(given: Value) -> Drawn:
    entries = given if isinstance(given, dict) else {}
    values = entries.get("values")
    chosen = tuple(each for each in values if isinstance(each, int | float | str)) if isinstance(values, list) else None
    return Drawn(_pair(entries.get("range")), chosen)


def _pair(given: Value) -> tuple[float, float] | None:
    if not isinstance(given, list):
        return None
    numbers = [each for each in given if isinstance(each, int | float)]
    return (numbers[0], numbers[1]) if len(numbers) == len(given) == 2 else None  # noqa: PLR2004 - least and greatest
