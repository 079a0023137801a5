"""`text_indices`: the index of the character language model's state that represents each token.

TK is flair 0.15.1's embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.weights.language_models import characters_of

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_SENTENCES, _TOKENS = Variable("sentences"), Variable("total_tokens")
_INT64 = "int64"


def ports(_part: PartView) -> Ports:
    """Take where tokens start and end; output the indices for a `gather` after a `char_lm`."""
    per_sentence, per_token = TensorType(_INT64, (_SENTENCES,)), TensorType(_INT64, (_TOKENS,))
    return Ports(
        inputs=(
            Port("starts", per_token),
            Port("ends", per_token),
            Port("sizes", per_sentence),
            Port("counts", per_sentence),
            Port("read", per_sentence, optional=True),
        ),
        outputs=(Port("indices", per_token),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit `position * sentences + sentence`, sentence-major (flair's TK 819-842).

    After a sentence's last token the position is 0. In untokenised text a position below 0 counts from the end of the
    text with its markers. For an empty batch `text_tokens` makes one sentence that its counts
    lack.

    Raises:
        TypeError: The weights are not those of a language model.
    """
    from assembler.weights.language_models import CharacterWeights

    weights = part.weights
    if not isinstance(weights, CharacterWeights):
        raise TypeError(weights)
    about = weights.characters
    sizes = emit.input("sizes")
    rows = emit.op("Concat", [emit.op("Shape", [sizes], "rows"), emit.integers("rest", [-1])], "grid_shape", axis=0)
    if about.direction == "backward":
        column = emit.op("Unsqueeze", [sizes, emit.integers("size_axis", [1])], "size_column")
        starts = emit.op("Reshape", [emit.input("starts"), rows], "starts")
        places = emit.op("Sub", [column, starts], "turned")
    else:
        places = emit.op("Reshape", [emit.input("ends"), rows], "ends")
    offset = len(about.start_marker) - (0 if about.with_whitespace else 1)
    positions = emit.op("Add", [places, emit.number("offset", offset, _INT64)], "positions")
    if not about.tokenized:
        positions = _from_the_end(emit, positions, len(about.start_marker) + len(about.end_marker))
    shape = emit.op("Shape", [places], "shape")
    sentences, tokens = (
        emit.op("Gather", [shape, emit.number(f"{name}/axis", axis, _INT64)], name, axis=0)
        for axis, name in enumerate(("sentences", "tokens"))
    )
    zero, one = emit.number("zero", 0, _INT64), emit.number("one", 1, _INT64)
    counts = emit.op("Unsqueeze", [_counts(emit, sizes), emit.integers("count_axis", [1])], "count_column")
    filled = emit.op("Less", [emit.op("Range", [zero, tokens, one], "columns"), counts], "filled")
    positions = emit.op("Where", [filled, positions, zero], "positions_or_0")
    numbers = emit.op("Range", [zero, sentences, one], "numbers")
    numbers = emit.op("Unsqueeze", [numbers, emit.integers("number_axis", [1])], "number_column")
    indices = emit.op("Add", [emit.op("Mul", [positions, sentences], "row_starts"), numbers], "grid")
    emit.output("indices", emit.op("Reshape", [indices, emit.integers("flat", [-1])], "indices"))


def _from_the_end(emit: Emitter, positions: str, markers: int) -> str:
    """Return positions, those below 0 counted from the end of the text that the model reads."""
    read = next(iter(emit.inputs("read")), emit.input("sizes"))
    whole = emit.op("Add", [read, emit.number("markers", markers, _INT64)], "whole")
    column = emit.op("Unsqueeze", [whole, emit.integers("whole_axis", [1])], "whole_column")
    below = emit.op("Less", [positions, emit.number("begin", 0, _INT64)], "below")
    return emit.op("Where", [below, emit.op("Add", [positions, column], "from_end"), positions], "from_either_end")


def _counts(emit: Emitter, sizes: str) -> str:
    """Return the counts, with a 0 for the sentence that an empty batch gets."""
    given = emit.input("counts")
    rows = emit.op("Shape", [sizes], "rows_here"), emit.op("Shape", [given], "rows_given")
    pads = [emit.integers("front", [0]), emit.op("Sub", rows, "lacking")]
    return emit.op("Pad", [given, emit.op("Concat", pads, "pads", axis=0)], "counts")


KIND = Kind(
    name="text_indices",
    summary="For each token the state of a character language model that represents it, from what a part of kind "
    "`text_tokens` gives, or for a model that reads untokenised text one of kind `text_plain`: `position * sentences + "
    "sentence`. Its weights are those of the language model, of which it takes the direction and the markers. `read` "
    "are the characters that the model reads where lower case gives them another number.",
    ports=ports,
    build=build,
    weights=True,
    takes="char_lm",
    view=characters_of,
    example={
        "kind": "text_indices",
        "weights": "tagger.embeddings.0",
        "inputs": {
            "starts": "tokens.starts",
            "ends": "tokens.ends",
            "sizes": "tokens.sizes",
            "counts": "tokens.counts",
        },
    },
)
