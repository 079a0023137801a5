"""`text_characters`: the inputs of a character language model, from texts of code points.

LM is flair 0.15.1's models/language_model.py, TK its embeddings/token.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports
from assembler.weights.language_models import characters_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.core.arrays import Array
    from assembler.interface.language_model_inputs import Characters
    from assembler.onnx_model.emitter import Emitter

_SENTENCES, _CHARACTERS = Variable("sentences"), Variable("text_characters")
_INT64 = "int64"
#: Characters are looked up in pages of this many code points, so that a table is as small as its alphabet.
_PAGE = 256
_SURROGATES = range(0xD800, 0xE000)
#: Why a language model that reads lower-cased text is refused.
LOWERCASE = (
    "reads lower-cased text, which no table of characters gives: 'İ' becomes two characters, "
    "and 'Σ' another one at the end of a word"
)
#: Why a language model that reads untokenised text is refused.
UNTOKENISED = "reads untokenised text (tokenized_lm=False), whose spaces a text of tokens does not have"


def ports(_part: PartView) -> Ports:
    """Take texts and their sizes; output the inputs of a `char_lm`."""
    return Ports(
        inputs=(
            Port("text", TensorType(_INT64, (_SENTENCES, _CHARACTERS))),
            Port("sizes", TensorType(_INT64, (_SENTENCES,))),
        ),
        outputs=(
            Port("characters", TensorType(_INT64, (Variable("lm_characters"), _SENTENCES))),
            Port("lengths", TensorType(_INT64, (_SENTENCES,))),
        ),
    )


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of a language model that does not read the characters of its tokens as they are."""
    if part.weights is None:
        return
    from assembler.weights.language_models import CharacterWeights

    if isinstance(part.weights, CharacterWeights):
        for reason in reasons(part.weights.characters):
            yield Complaint(("weights",), f"the language model {reason}", "use the interface of indices")


def reasons(about: Characters) -> Iterator[str]:
    """Yield the reasons why no part of a graph can compute a language model's input from a text."""
    if about.lowercase:
        yield LOWERCASE
    if not about.tokenized:
        yield UNTOKENISED


def build(part: PartView, emit: Emitter) -> None:
    """Emit the reversal of a backward model, the look-up, the markers and the padding (flair's TK 804-810, LM 117-140).

    Raises:
        TypeError: The weights are not those of a language model.
    """
    from assembler.weights.language_models import CharacterWeights

    weights = part.weights
    if not isinstance(weights, CharacterWeights):
        raise TypeError(weights)
    about = weights.characters
    text, sizes = emit.input("text"), emit.input("sizes")
    if about.direction == "backward":
        text = emit.op("ReverseSequence", [text, sizes], "reversed", batch_axis=0, time_axis=1)
    known = {item: number for number, item in enumerate(about.dictionary) if len(item) == 1}
    start, end = ([known.get(item, 0) for item in marker] for marker in (about.start_marker, about.end_marker))
    ids = _looked_up(emit, about.dictionary, text)
    framed = _ended(emit, ids, sizes, end, about.padding)
    if start:
        framed = _started(emit, framed, sizes, start)
    emit.output("characters", emit.op("Transpose", [framed], "characters", perm=[1, 0]))
    markers = emit.number("markers", len(start) + len(end), _INT64)
    emit.output("lengths", emit.op("Add", [sizes, markers], "lengths"))


def _looked_up(emit: Emitter, dictionary: Sequence[str], text: str) -> str:
    """Return the id of each character: that of its page's row, 0 for a character that the dictionary lacks."""
    pages, rows = _pages(dictionary)
    size = emit.number("page_size", _PAGE, _INT64)
    least, most = emit.number("least", 0, _INT64), emit.number("most", len(pages) * _PAGE - 1, _INT64)
    known = emit.op("Min", [emit.op("Max", [text, least], "not_below"), most], "not_above")
    page = emit.op("Div", [known, size], "page")
    within = emit.op("Sub", [known, emit.op("Mul", [page, size], "page_start")], "within")
    row = emit.op("Gather", [emit.initializer("pages", pages), page], "row", axis=0)
    place = emit.op("Add", [emit.op("Mul", [row, size], "row_start"), within], "place")
    found = emit.op("Gather", [emit.initializer("ids", rows), place], "found", axis=0)
    return emit.op("Cast", [found], "known_ids", to=7)


def _pages(dictionary: Sequence[str]) -> tuple[Array, Array]:
    """Return the number of each page's row, int64, and the ids of all rows one after another, int32.

    Row 0 holds no characters. The last page is beyond all characters, and is used for every code point after it. As in
    the runtime, only items of one code point can match, and halves of surrogate pairs cannot. Of two equal items the
    later wins. U+0000, which pads texts, is looked up at 0x110000, the first number that is not a code point.
    """
    import numpy as np

    ids = {ord(item) or 0x110000: number for number, item in enumerate(dictionary) if len(item) == 1}
    known = {code: number for code, number in ids.items() if code not in _SURROGATES}
    used = sorted({code // _PAGE for code in known})
    pages = np.zeros(max(used, default=-1) + 2, np.int64)
    pages[used] = np.arange(1, len(used) + 1)
    rows = np.zeros((len(used) + 1) * _PAGE, np.int32)
    for code, number in known.items():
        rows[pages[code // _PAGE] * _PAGE + code % _PAGE] = number
    return pages, rows


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
    summary="The inputs of a character language model, from the `text` and `sizes` of a part of kind `text_tokens`: "
    "reversed for a backward model, as ids of its dictionary (0 for other characters), between its markers, padded. "
    "Its weights are those of the language model, from which it takes the dictionary and the markers.",
    ports=ports,
    build=build,
    check=check,
    weights=True,
    takes="char_lm",
    view=characters_of,
    example={
        "kind": "text_characters",
        "weights": "tagger.embeddings.0",
        "inputs": {"text": "tokens.text", "sizes": "tokens.sizes"},
    },
)
