"""`text_tokens`: finds the tokens in texts of code points, and joins them as flair does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.text_columns import axis_of, emit_columns, first_row, longest, scattered

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_SENTENCES = Variable("sentences")
_INT64 = "int64"


def ports(_part: PartView) -> Ports:
    """Take code points; output the texts as flair joins them, and where their tokens are."""
    per_sentence, per_token = TensorType(_INT64, (_SENTENCES,)), TensorType(_INT64, (Variable("total_tokens"),))
    return Ports(
        inputs=(Port("text", TensorType("int32", (_SENTENCES, Variable("characters"))), fill="text"),),
        outputs=(
            Port("text", TensorType(_INT64, (_SENTENCES, Variable("text_characters")))),
            Port("sizes", per_sentence),
            Port("starts", per_token),
            Port("ends", per_token),
            Port("counts", per_sentence, gives="lengths"),
            Port("lengths", per_sentence),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:  # noqa: ARG001 - every builder takes both
    """Emit sums over the characters, and scatters to where these sums point.

    Any number of U+0020 and 0 separates tokens. In the output text one space is between tokens, so a character's place
    there is the number of characters up to it plus the number of tokens begun, minus two. The separator after a token's
    last character yields the token's end in the same way.

    A sentence without tokens has an empty text, a count of 0 and a length of 1, because recurrent operators take no
    sequence of length 0. An empty batch gets one sentence without tokens, because `ReverseSequence` and `LSTM` of ONNX
    Runtime 1.32 crash the process on an empty batch. Only `counts` has as many rows as the input, so later parts remove
    that sentence again.
    """
    rows = emit.op("Slice", [emit.op("Shape", [emit.input("text")], "shape"), *first_row(emit)], "rows")
    codes, here, before = emit_columns(emit, rows)
    both = emit.op("Mul", [here, before], "inside")
    begins = emit.op("Sub", [here, both], "begins")
    finishes = emit.op("Sub", [before, both], "finishes")
    one, two = emit.number("one", 1, _INT64), emit.number("two", 2, _INT64)
    axis = emit.number("character_axis", 1, _INT64)
    number = emit.op("CumSum", [begins, axis], "numbers")
    slots = emit.op("Sub", [number, one], "slots")
    reached = emit.op("Add", [emit.op("CumSum", [here, axis], "reached_characters"), number], "reached")
    places = emit.op("Sub", [reached, two], "places")
    axes = emit.integers("character_axes", [1])
    counts = emit.op("ReduceSum", [begins, axes], "counts", keepdims=0)
    letters = emit.op("ReduceSum", [here, axes], "letters", keepdims=0)
    joined = emit.op("Sub", [emit.op("Add", [letters, counts], "letters_and_counts"), one], "joined")
    sizes = emit.op("Max", [joined, emit.number("zero", 0, _INT64)], "sizes")
    tokens = longest(emit, counts, "tokens")
    emit.output("text", _text(emit, sizes, (here, places, codes)))
    emit.output("sizes", sizes)
    flat = emit.integers("flat", [-1])
    starts = scattered(emit, tokens, (begins, slots, places), "starts")
    emit.output("starts", emit.op("Reshape", [starts, flat], "all_starts"))
    ends = emit.op("Sub", [reached, one], "end_places")
    ends = scattered(emit, tokens, (finishes, slots, ends), "ends")
    emit.output("ends", emit.op("Reshape", [ends, flat], "all_ends"))
    begin = emit.integers("first_row", [0])
    emit.output("counts", emit.op("Slice", [counts, begin, rows, begin], "given_counts"))
    emit.output("lengths", emit.op("Max", [counts, one], "lengths"))


def _text(emit: Emitter, sizes: str, characters: tuple[str, str, str]) -> str:
    """Return the texts: spaces up to a text's end and 0 after it, with the characters scattered over them."""
    width = longest(emit, sizes, "text_size")
    start = emit.number("from", 0, _INT64)
    columns = emit.op("Squeeze", [width, emit.integers("width_axis", [0])], "width")
    columns = emit.op("Add", [columns, emit.number("waste_column", 1, _INT64)], "width_and_waste")
    ranged = emit.op("Range", [start, columns, emit.number("step", 1, _INT64)], "columns")
    filled = emit.op("Less", [ranged, emit.op("Unsqueeze", [sizes, axis_of(emit, "size", 1)], "size_column")], "filled")
    spaces = emit.op("Mul", [emit.op("Cast", [filled], "filled_numbers", to=7), emit.number("fill", 32, _INT64)], "sea")
    return scattered(emit, width, characters, "text", over=spaces)


KIND = Kind(
    name="text_tokens",
    summary="The tokens of texts of Unicode code points, which spaces (U+0020) and 0 separate: the texts with single "
    "spaces, and where each token starts and ends in them, sentence by sentence, padded with 0. `counts` are the "
    "tokens of each sentence, 0 for an empty one; `lengths` the same, but at least 1, for the parts that take token "
    "counts.",
    ports=ports,
    build=build,
    example={"kind": "text_tokens", "inputs": {"text": "text"}},
)
