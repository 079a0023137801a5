"""`text_characters`: the inputs of a character language model, from texts of code points.

LM is flair 0.15.1's models/language_model.py, TK its embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.weights.language_models import characters_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.onnx_model.emitter import Emitter

_SENTENCES, _CHARACTERS = Variable("sentences"), Variable("text_characters")
_INT64 = "int64"
_SURROGATES = range(0xD800, 0xE000)


def ports(_part: PartView) -> Ports:
    """Take texts and their sizes; output the inputs of a `char_lm`."""
    return Ports(
        inputs=(
            Port("text", TensorType(_INT64, (_SENTENCES, _CHARACTERS))),
            Port("sizes", TensorType(_INT64, (_SENTENCES,))),
            Port("extents", TensorType(_INT64, (_SENTENCES,)), optional=True),
        ),
        outputs=(
            Port("characters", TensorType(_INT64, (Variable("lm_characters"), _SENTENCES))),
            Port("lengths", TensorType(_INT64, (_SENTENCES,))),
            Port("read", TensorType(_INT64, (_SENTENCES,)), on_request=True),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit the lower case, the reversal, the look-up, the markers and the padding (flair's TK 795-810, LM 117-140).

    A text whose tokens are counted beyond its end goes on with padding, which is that of spaces.

    Raises:
        TypeError: The weights are not those of a language model.
    """
    from assembler.parts.code_tables import emit_numbers
    from assembler.parts.lower_case import emit_lower_case
    from assembler.weights.language_models import CharacterWeights

    weights = part.weights
    if not isinstance(weights, CharacterWeights):
        raise TypeError(weights)
    about = weights.characters
    text, sizes = emit.input("text"), emit.input("sizes")
    if about.lowercase:
        lowered = emit_lower_case(emit, text, sizes)
        text, sizes = lowered.text, lowered.sizes
    if about.direction == "backward":
        text = emit.op("ReverseSequence", [text, sizes], "reversed", batch_axis=0, time_axis=1)
    known = {item: number for number, item in enumerate(about.dictionary) if len(item) == 1}
    start, end = ([known.get(item, 0) for item in marker] for marker in (about.start_marker, about.end_marker))
    ids = emit_numbers(emit, text, _code_points(about.dictionary))
    read, extents = sizes, emit.inputs("extents")
    if extents:
        sizes = emit.op("Max", [sizes, extents[0]], "extended")
        ids = _wider(emit, ids, sizes)
    framed = _ended(emit, ids, read, end, about.padding)
    if start:
        framed = _started(emit, framed, sizes, start)
    emit.output("characters", emit.op("Transpose", [framed], "characters", perm=[1, 0]))
    markers = emit.number("markers", len(start) + len(end), _INT64)
    emit.output("lengths", emit.op("Add", [sizes, markers], "lengths"))
    emit.output("read", emit.op("Identity", [read], "read"))


def _code_points(dictionary: Sequence[str]) -> dict[int, int]:
    """Return the id of each code point of a dictionary.

    As in the runtime, only items of one code point can match, and halves of surrogate pairs cannot. Of two equal items
    the later wins. U+0000, which pads texts, is looked up at 0x110000, the first number that is not a code point.
    """
    ids = {ord(item) or 0x110000: number for number, item in enumerate(dictionary) if len(item) == 1}
    return {code: number for code, number in ids.items() if code not in _SURROGATES}


def _wider(emit: Emitter, ids: str, sizes: str) -> str:
    """Return ids with at least as many columns as the largest of some sizes."""
    width = emit.op("Gather", [emit.op("Shape", [ids], "ids_shape"), emit.integers("ids_at", [1])], "ids_width", axis=0)
    most = emit.op("Reshape", [emit.reduce_max(sizes, 0, "longest"), emit.integers("one_size", [1])], "longest_size")
    room = emit.op("Max", [emit.op("Sub", [most, width], "lacking"), emit.integers("no_room", [0])], "lacking_or_0")
    pads = emit.op("Concat", [emit.integers("wide_front", [0, 0, 0]), room], "wide_pads", axis=0)
    return emit.op("Pad", [ids, pads], "wide_ids")


def _ended(emit: Emitter, ids: str, sizes: str, end: Sequence[int], padding: int) -> str:
    """Return texts with the end marker after each, and then padding."""
    fill = emit.number("padding", padding, _INT64)
    pads = emit.integers("room", [0, 0, 0, len(end)])
    roomy = emit.op("Pad", [ids, pads], "roomy")
    width = emit.op("Gather", [emit.op("Shape", [roomy], "shape"), emit.number("width_at", 1, _INT64)], "width", axis=0)
    zero, one = emit.number("zero", 0, _INT64), emit.number("one", 1, _INT64)
    columns = emit.op("Range", [zero, width, one], "columns")
    column = emit.op("Unsqueeze", [sizes, emit.integers("size_axis", [1])], "size_column")
    framed = emit.op("Where", [emit.op("Less", [columns, column], "inside"), roomy, fill], "padded")
    for place, number in enumerate(end):
        behind = emit.op("Add", [column, emit.number(f"end_{place}/offset", place, _INT64)], f"end_{place}/column")
        here = emit.op("Equal", [columns, behind], f"end_{place}/here")
        framed = emit.op("Where", [here, emit.number(f"end_{place}/id", number, _INT64), framed], f"end_{place}")
    return framed


def _started(emit: Emitter, framed: str, sizes: str, start: Sequence[int]) -> str:
    """Return texts with the start marker before each."""
    rows = emit.op("Shape", [sizes], "sentences")
    shape = emit.op("Concat", [rows, emit.integers("start_size", [len(start)])], "start_shape", axis=0)
    marker = emit.op("Expand", [emit.integers("start", start), shape], "start_rows")
    return emit.op("Concat", [marker, framed], "started", axis=1)


KIND = Kind(
    name="text_characters",
    summary="The inputs of a character language model, from the `text` and `sizes` of a part of kind `text_tokens`, "
    "or for one that reads untokenised text from those and the `extents` of one of kind `text_plain`: in lower case "
    "where it reads that, reversed for a backward model, as ids of its dictionary (0 for other characters), between "
    "its markers, padded. Its weights are those of the language model. `read` are the characters between the markers.",
    ports=ports,
    build=build,
    weights=True,
    takes="char_lm",
    view=characters_of,
    example={
        "kind": "text_characters",
        "weights": "tagger.embeddings.0",
        "inputs": {"text": "tokens.text", "sizes": "tokens.sizes"},
    },
)
