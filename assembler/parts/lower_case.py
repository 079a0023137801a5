"""Lower case of texts of code points, as Python's `str.lower` has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.parts.code_tables import emit_numbers
from assembler.parts.letters import (
    CAPITAL_I_WITH_DOT,
    CAPITAL_SIGMA,
    CASED,
    DOT_ABOVE,
    FINAL_SIGMA,
    IGNORED,
    lower_steps,
    sigma_contexts,
)
from assembler.parts.text_columns import longest

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_INT64 = "int64"


@dataclass(frozen=True, slots=True)
class Lowered:
    """Tensors of a lower-cased text.

    Attributes:
        text: Its code points, int64 `[sentences, characters]`, 0 after a text's end.
        sizes: The code points of each text, int64 `[sentences]`.
        added: How many more of them there are before each column of the original text, int64
            `[sentences, original characters + 1]`.
    """

    text: str
    sizes: str
    added: str


def emit_lower_case(emit: Emitter, text: str, sizes: str) -> Lowered:
    """Emit the lower case of texts.

    Each code point has its own, but for two: "İ" becomes "i" and U+0307, which moves all that follows, and "Σ" becomes
    "ς" at the end of a word.

    Args:
        emit: Where operators go.
        text: int64 `[sentences, characters]`, 0 after a text's end.
        sizes: The code points of each text, int64 `[sentences]`.
    """
    steps = emit_numbers(emit, text, lower_steps(), "lower/table/", "steps")
    lowered = emit.op("Add", [text, steps], "lower/letters")
    ends = _ends_words(emit, text)
    lowered = emit.op("Where", [ends, emit.number("lower/final_sigma", FINAL_SIGMA, _INT64), lowered], "lower/sigmas")
    dotted = emit.op("Equal", [text, emit.number("lower/dotted", CAPITAL_I_WITH_DOT, _INT64)], "lower/is_dotted")
    dots = emit.op("Cast", [dotted], "lower/dots", to=7)
    axis = emit.number("lower/axis", 1, _INT64)
    before = emit.op("CumSum", [_one_more(emit, dots, "lower/dots_and_end"), axis], "lower/added", exclusive=1)
    sums = emit.op("ReduceSum", [dots, emit.integers("lower/dot_axis", [1])], "lower/more", keepdims=0)
    sizes = emit.op("Add", [sizes, sums], "lower/sizes")
    return Lowered(_spread(emit, lowered, dots, before, sizes), sizes, before)


def emit_moved(emit: Emitter, lowered: Lowered, places: str, name: str) -> str:
    """Return places of the original text, int64 `[sentences, tokens]`, as places of the lower-cased one."""
    more = emit.op("GatherElements", [lowered.added, places], f"lower/{name}_more", axis=1)
    return emit.op("Add", [places, more], f"lower/{name}")


def _ends_words(emit: Emitter, text: str) -> str:
    """Return where "Σ" ends a word, bool of the shape of the text.

    The characters that are not looked past are put side by side. A place in that row is the number of them up to a
    character, so the ones before and behind it are its neighbours there. Column 0 of the row, and those after its last
    character, hold no letter.
    """
    context = emit_numbers(emit, text, sigma_contexts(), "sigma/table/", "contexts", "int8")
    ignored = emit.op("Equal", [context, emit.number("sigma/ignored", IGNORED, _INT64)], "sigma/is_ignored")
    cased = emit.op("Equal", [context, emit.number("sigma/cased", CASED, _INT64)], "sigma/is_cased")
    counted = emit.op("Cast", [emit.op("Not", [ignored], "sigma/is_counted")], "sigma/counted", to=7)
    zero, one = emit.number("sigma/zero", 0, _INT64), emit.number("sigma/one", 1, _INT64)
    here = emit.op("CumSum", [counted, one], "sigma/here")
    flags = emit.op("Cast", [cased], "sigma/flags", to=7)
    # what is looked past is put into column 0, with no letter
    columns = emit.op("Mul", [here, counted], "sigma/columns")
    pads = emit.integers("sigma/pads", [0, 1, 0, 1])
    empty = emit.op("Mul", [emit.op("Pad", [flags, pads], "sigma/wider"), zero], "sigma/empty")
    row = emit.op("ScatterElements", [empty, columns, flags], "sigma/row", axis=1)
    before, behind = (
        emit.op(op, [here, one], f"sigma/{name}_place") for op, name in (("Sub", "before"), ("Add", "behind"))
    )
    before = emit.op("Max", [before, zero], "sigma/before_or_0")
    letter_before = emit.op("GatherElements", [row, before], "sigma/letter_before", axis=1)
    letter_behind = emit.op("GatherElements", [row, behind], "sigma/letter_behind", axis=1)
    last = emit.op("Greater", [letter_before, letter_behind], "sigma/last")
    sigma = emit.op("Equal", [text, emit.number("sigma/capital", CAPITAL_SIGMA, _INT64)], "sigma/is_sigma")
    return emit.op("And", [sigma, last], "sigma/ends")


def _one_more(emit: Emitter, tensor: str, name: str) -> str:
    return emit.op("Pad", [tensor, emit.integers(f"{name}/pads", [0, 0, 0, 1])], name)


def _spread(emit: Emitter, letters: str, dots: str, before: str, sizes: str) -> str:
    """Return letters at their new places, with U+0307 behind each that becomes two.

    The marks are scattered first, to the places behind letters. Where there is none, 0 is scattered there, which the
    next letter replaces.
    """
    shape = emit.op("Shape", [letters], "spread/shape")
    first, second = emit.integers("spread/first", [0]), emit.integers("spread/second", [1])
    width = emit.op("Gather", [shape, second], "spread/width", axis=0)
    zero, one = emit.number("spread/zero", 0, _INT64), emit.number("spread/one", 1, _INT64)
    columns = emit.op("Range", [zero, emit.op("Squeeze", [width, first], "spread/size"), one], "spread/columns")
    moved = emit.op("Slice", [before, first, width, second], "spread/moved")
    places = emit.op("Add", [moved, columns], "spread/places")
    # room for all letters with a mark behind each
    wide = emit.op("Add", [emit.op("Add", [width, width], "spread/twice"), second], "spread/wide")
    rows = emit.op("Gather", [shape, first], "spread/rows", axis=0)
    empty = emit.op("Expand", [zero, emit.op("Concat", [rows, wide], "spread/wide_shape", axis=0)], "spread/empty")
    marks = emit.op("Mul", [dots, emit.number("spread/dot", DOT_ABOVE, _INT64)], "spread/marks")
    behind = emit.op("Add", [places, one], "spread/behind")
    row = emit.op("ScatterElements", [empty, behind, marks], "spread/dotted", axis=1)
    row = emit.op("ScatterElements", [row, places, letters], "spread/roomy", axis=1)
    return emit.op("Slice", [row, first, longest(emit, sizes, "spread/longest"), second], "spread/text")
