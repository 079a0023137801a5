"""`text_plain`: texts with the spaces that are between their tokens, as flair's `to_plain_string` has them.

DA is flair 0.15.1's data.py, TK its embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_SENTENCES = Variable("sentences")
_INT64, _SPACE = "int64", 32


def ports(_part: PartView) -> Ports:
    """Take code points, and where `text_tokens` finds tokens; output the texts and where flair counts their tokens."""
    per_sentence, per_token = TensorType(_INT64, (_SENTENCES,)), TensorType(_INT64, (Variable("total_tokens"),))
    return Ports(
        inputs=(
            Port("text", TensorType("int32", (Variable("given_sentences"), Variable("characters"))), fill="text"),
            Port("starts", per_token),
            Port("ends", per_token),
            Port("lengths", per_sentence),
        ),
        outputs=(
            Port("text", TensorType(_INT64, (_SENTENCES, Variable("text_characters")))),
            Port("sizes", per_sentence),
            Port("starts", per_token),
            Port("ends", per_token),
            Port("extents", per_sentence),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:  # noqa: ARG001 - every builder takes both
    """Emit the texts without what is before the first token, without zeros, and without white space at the end.

    Of several spaces between two tokens flair counts one (TK 838), and it strips white space from the text (DA 984) but
    not from the tokens. So a token may be counted beyond the end of the text: `extents` are the ends of last tokens.
    """
    from assembler.parts.code_tables import emit_numbers
    from assembler.parts.letters import white_space
    from assembler.parts.text_columns import emit_columns, first_row, longest, scattered

    rows = emit.op("Slice", [emit.op("Shape", [emit.input("text")], "shape"), *first_row(emit)], "rows")
    codes, here, before = emit_columns(emit, rows)
    axis, axes = emit.number("character_axis", 1, _INT64), emit.integers("character_axes", [1])
    zero, one = emit.number("zero", 0, _INT64), emit.number("one", 1, _INT64)
    is_blank = emit.op("Equal", [codes, emit.number("blank", _SPACE, _INT64)], "is_blank")
    spaces = emit.op("Cast", [is_blank], "blanks", to=7)
    begun = emit.op("Min", [emit.op("CumSum", [here, axis], "letters"), one], "begun")
    kept = emit.op("Mul", [emit.op("Add", [here, spaces], "written"), begun], "kept")
    ends = emit.op("CumSum", [kept, axis], "place_ends")
    white = emit_numbers(emit, codes, white_space(), "white/", "flags", "int8")
    solid = emit.op("Mul", [kept, emit.op("Sub", [one, white], "black")], "solid_letters")
    sizes = emit.reduce_max(emit.op("Mul", [solid, ends], "solid_ends"), 1, "sizes")
    places = emit.op("Sub", [ends, one], "places")
    inside = emit.op("Less", [places, emit.op("Unsqueeze", [sizes, axes], "size_column")], "within")
    kept = emit.op("Mul", [kept, emit.op("Cast", [inside], "within_numbers", to=7)], "left")
    emit.output("text", scattered(emit, longest(emit, sizes, "text_size"), (kept, places, codes), "text"))
    emit.output("sizes", sizes)
    grid = emit.op("Concat", [emit.op("Shape", [sizes], "texts"), emit.integers("rest", [-1])], "grid_shape", axis=0)
    starts, stops = (emit.op("Reshape", [emit.input(name), grid], f"{name}_grid") for name in ("starts", "ends"))
    widths = emit.op("Sub", [stops, starts], "widths")
    begins = emit.op("Sub", [here, emit.op("Mul", [here, before], "inner")], "begins")
    slots = emit.op("Sub", [emit.op("CumSum", [begins, axis], "numbers"), one], "slots")
    tokens = longest(emit, emit.input("lengths"), "tokens")
    blanks = scattered(emit, tokens, (begins, slots, emit.op("CumSum", [spaces, axis], "blanks_before")), "gaps")
    counted = emit.op("CumSum", [emit.op("Add", [widths, _gaps(emit, blanks)], "steps"), axis], "ends")
    flat = emit.integers("flat", [-1])
    emit.output("ends", emit.op("Reshape", [counted, flat], "all_ends"))
    emit.output("starts", emit.op("Reshape", [emit.op("Sub", [counted, widths], "starts"), flat], "all_starts"))
    emit.output("extents", emit.op("Max", [emit.reduce_max(counted, 1, "last_ends"), zero], "extents"))


def _gaps(emit: Emitter, blanks: str) -> str:
    """Return 1 for each token with a space between it and the one before.

    Args:
        emit: Where operators go.
        blanks: The spaces before each token in its text, int64 `[sentences, tokens]`, 0 after the last.
    """
    first, second, last = emit.integers("gap/0", [0]), emit.integers("gap/1", [1]), emit.integers("gap/last", [-1])
    head = emit.op("Slice", [blanks, first, second, second], "gap/first")
    earlier = emit.op("Slice", [blanks, first, last, second], "gap/earlier")
    before = emit.op("Concat", [head, earlier], "gap/before", axis=1)
    more = emit.op(
        "Min", [emit.op("Sub", [blanks, before], "gap/more"), emit.number("gap/most", 1, _INT64)], "gap/some"
    )
    return emit.op("Max", [more, emit.number("gap/least", 0, _INT64)], "gap")


KIND = Kind(
    name="text_plain",
    summary="Texts as flair's `to_plain_string` has them, for a language model that reads untokenised text: between "
    "two tokens are as many spaces (U+0020) as in the input, or none where only 0 separates them, and none at the end. "
    "It takes the input, and where a part of kind `text_tokens` finds tokens. `starts`, `ends` and `extents` count as "
    "flair does: of several spaces one.",
    ports=ports,
    build=build,
    example={
        "kind": "text_plain",
        "inputs": {"text": "text", "starts": "tokens.starts", "ends": "tokens.ends", "lengths": "tokens.lengths"},
    },
)
