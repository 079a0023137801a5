"""`text_tokens`: finds the tokens in texts of code points, and joins them as flair does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_SENTENCES = Variable("sentences")
_INT64, _SPACE = "int64", 32


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
    rows = emit.op("Slice", [emit.op("Shape", [emit.input("text")], "shape"), *_first_of(emit)], "rows")
    codes, here, before = _characters(emit, rows)
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
    tokens = _longest(emit, counts, "tokens")
    emit.output("text", _text(emit, sizes, (here, places, codes)))
    emit.output("sizes", sizes)
    flat = emit.integers("flat", [-1])
    starts = _scattered(emit, tokens, (begins, slots, places), "starts")
    emit.output("starts", emit.op("Reshape", [starts, flat], "all_starts"))
    ends = emit.op("Sub", [reached, one], "end_places")
    ends = _scattered(emit, tokens, (finishes, slots, ends), "ends")
    emit.output("ends", emit.op("Reshape", [ends, flat], "all_ends"))
    begin = emit.integers("first_row", [0])
    emit.output("counts", emit.op("Slice", [counts, begin, rows, begin], "given_counts"))
    emit.output("lengths", emit.op("Max", [counts, one], "lengths"))


def _first_of(emit: Emitter) -> tuple[str, str]:
    return emit.integers("rows/begin", [0]), emit.integers("rows/end", [1])


def _characters(emit: Emitter, rows: str) -> tuple[str, str, str]:
    """Return code points, and 1 where a token has a character here, and where it has one before, int64 `[S, C + 1]`.

    A separator is added at either end, so that each token has one before and after it, and an empty batch gets a row.
    """
    lacking = emit.op("Sub", [emit.integers("least_rows", [1]), rows], "lacking_rows")
    added = emit.op("Max", [lacking, emit.integers("no_rows", [0])], "added_rows")
    before, behind = emit.integers("pads_before", [0, 1]), emit.integers("pads_behind", [1])
    pads = emit.op("Concat", [before, added, behind], "pads", axis=0)
    padded = emit.op("Pad", [emit.op("Cast", [emit.input("text")], "codes", to=7), pads], "padded")
    spaces = emit.op("Equal", [padded, emit.number("space", _SPACE, _INT64)], "spaces")
    nothing = emit.op("Equal", [padded, emit.number("nothing", 0, _INT64)], "nothings")
    separates = emit.op("Or", [spaces, nothing], "separates")
    solid = emit.op("Cast", [emit.op("Not", [separates], "solid")], "solid_numbers", to=7)
    axis, first, second = (emit.integers(f"slice_{name}", [value]) for name, value in (("axis", 1), ("0", 0), ("1", 1)))
    last, end = emit.integers("slice_last", [-1]), emit.integers("slice_end", [2**31 - 1])
    here = emit.op("Slice", [solid, second, end, axis], "here")
    return (
        emit.op("Slice", [padded, second, end, axis], "codes_here"),
        here,
        emit.op("Slice", [solid, first, last, axis], "before"),
    )


def _longest(emit: Emitter, sizes: str, name: str) -> str:
    """Return the greatest of some sizes, at least 1, as a vector of one number."""
    greatest = emit.op("Unsqueeze", [emit.reduce_max(sizes, 0, f"{name}/greatest"), _axis(emit, name)], f"{name}/most")
    return emit.op("Max", [greatest, emit.integers(f"{name}/least", [1])], name)


def _axis(emit: Emitter, name: str, axis: int = 0) -> str:
    return emit.integers(f"{name}/axis", [axis])


def _text(emit: Emitter, sizes: str, characters: tuple[str, str, str]) -> str:
    """Return the texts: spaces up to a text's end and 0 after it, with the characters scattered over them."""
    width = _longest(emit, sizes, "text_size")
    start = emit.number("from", 0, _INT64)
    columns = emit.op("Squeeze", [width, emit.integers("width_axis", [0])], "width")
    columns = emit.op("Add", [columns, emit.number("waste_column", 1, _INT64)], "width_and_waste")
    ranged = emit.op("Range", [start, columns, emit.number("step", 1, _INT64)], "columns")
    filled = emit.op("Less", [ranged, emit.op("Unsqueeze", [sizes, _axis(emit, "size", 1)], "size_column")], "filled")
    spaces = emit.op("Mul", [emit.op("Cast", [filled], "filled_numbers", to=7), emit.number("fill", 32, _INT64)], "sea")
    return _scattered(emit, width, characters, "text", over=spaces)


def _scattered(emit: Emitter, width: str, what: tuple[str, str, str], name: str, over: str = "") -> str:
    """Return values scattered to their columns, int64 `[S, width]`.

    Args:
        emit: Where operators go.
        width: The columns, a vector of one number.
        what: Where there is a value (1 or 0), its column, and the value, each int64 `[S, C + 1]`.
        name: A prefix for the names of the operators.
        over: int64 `[S, width + 1]`, the values below the scattered ones; zeros by default.
    """
    where, columns, values = what
    there = emit.op("Cast", [where], f"{name}/there", to=9)
    # places without a value go to a spare column after the others
    columns = emit.op("Where", [there, columns, width], f"{name}/columns")
    values = emit.op("Where", [there, values, emit.number(f"{name}/none", 0, _INT64)], f"{name}/values")
    if not over:
        rows = emit.op("Shape", [where], f"{name}/shape")
        rows = emit.op("Gather", [rows, emit.integers(f"{name}/first", [0])], f"{name}/rows", axis=0)
        waste = emit.op("Add", [width, emit.integers(f"{name}/waste", [1])], f"{name}/width")
        over = emit.op("Concat", [rows, waste], f"{name}/over_shape", axis=0)
        over = emit.op("Expand", [emit.number(f"{name}/zero", 0, _INT64), over], f"{name}/over")
    put = emit.op("ScatterElements", [over, columns, values], f"{name}/put", axis=1)
    begin, axis = emit.integers(f"{name}/begin", [0]), emit.integers(f"{name}/token_axis", [1])
    return emit.op("Slice", [put, begin, width, axis], f"{name}/kept")


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
