"""`spans`: the spans that BIO and BIOES tags encode, as flair reads them.

DA is flair 0.15.1's data.py. `runtime/spans.py` implements the same rule in Python, in fewer lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.weights.heads import labels_of

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter
    from assembler.parts.span_labels import LabelTables

_SENTENCES, _TOKENS, _SPANS = Variable("sentences"), Variable("tokens"), Variable("spans")
_INT64 = "int64"


def ports(_part: PartView) -> Ports:
    """Take classes and scores; output one row per span, sentence by sentence."""
    given = {"sentence": _INT64, "start": _INT64, "end": _INT64, "label": "string", "score": "float64"}
    return Ports(
        inputs=(
            Port("prediction", TensorType(_INT64, (_SENTENCES, _TOKENS))),
            Port("scores", TensorType("float32", (_SENTENCES, _TOKENS))),
            Port("lengths", TensorType(_INT64, (_SENTENCES,)), fill="token_lengths"),
        ),
        outputs=tuple(Port(name, TensorType(dtype, (_SPANS,)), gives=f"span_{name}") for name, dtype in given.items()),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit where spans start and end (DA 2056-2110), and for each its majority and the mean of its scores in float64.

    No loop is needed, because every token that is not outside is in a span. So a token begins a span if the token
    before is outside, or if the two tags say so.

    Raises:
        TypeError: The weights are not those of a head.
    """
    from assembler.parts.span_labels import LabelTables, emit_majority
    from assembler.weights.heads import LabelWeights

    weights = part.weights
    if not isinstance(weights, LabelWeights):
        raise TypeError(weights)
    tables = LabelTables(emit, weights.labels)
    tokens, classes = _between_nothings(emit, len(weights.labels))
    before, here, behind = (_window(emit, classes, tokens, at) for at in range(3))
    inside = emit.op("Not", [tables.says("outside", here, "outside")], "inside")
    starts = emit.op("And", [inside, _cut(emit, tables, before, here, "start_cut")], "starts")
    ends = emit.op("And", [inside, _cut(emit, tables, here, behind, "end_cut")], "ends")
    first, last = _places(emit, starts, "first"), _places(emit, ends, "last")
    stop = emit.op("Add", [last, emit.number("one", 1, _INT64)], "stop")
    sentence = emit.op("Div", [first, tokens], "sentence")
    row = emit.op("Mul", [sentence, tokens], "sentence_row")
    emit.output("sentence", sentence)
    emit.output("start", emit.op("Sub", [first, row], "start"))
    emit.output("end", emit.op("Sub", [stop, row], "end"))
    emit.output("label", emit_majority(emit, tables, here, starts, (first, stop)))
    emit.output("score", _means(emit, first, stop))


def _between_nothings(emit: Emitter, nothing: int) -> tuple[str, str]:
    """Return the number of tokens, and the classes with `nothing` before, between and after the sentences."""
    prediction = emit.input("prediction")
    axis, zero, one = emit.number("token_axis", 1, _INT64), emit.number("from", 0, _INT64), emit.number("by", 1, _INT64)
    tokens = emit.op("Gather", [emit.op("Shape", [prediction], "shape"), axis], "tokens", axis=0)
    lengths = emit.op("Unsqueeze", [emit.input("lengths"), emit.integers("length_axis", [1])], "length_column")
    filled = emit.op("Less", [emit.op("Range", [zero, tokens, one], "columns"), lengths], "filled")
    none = emit.number("nothing", nothing, _INT64)
    classes = emit.op("Where", [filled, prediction, none], "classes")
    return tokens, emit.op("Pad", [classes, emit.integers("pads", [0, 1, 0, 1]), none], "padded")


def _window(emit: Emitter, classes: str, tokens: str, at: int) -> str:
    """Return the classes from a column on, int64 `[sentences, tokens]`: 0 for the tokens before, 1 here, 2 after."""
    begin = emit.integers(f"window_{at}/begin", [at])
    end = emit.op("Add", [tokens, begin], f"window_{at}/end")
    return emit.op("Slice", [classes, begin, end, emit.integers(f"window_{at}/axis", [1])], f"window_{at}")


def _cut(emit: Emitter, tables: LabelTables, before: str, here: str, name: str) -> str:
    """Return where no span continues from one tag to the next: one is outside, or the next starts another (DA 2079)."""
    apart = emit.op(
        "Or", [tables.says("outside", before, f"{name}/before"), tables.says("outside", here, f"{name}/here")],
        f"{name}/apart",
    )  # fmt: skip
    same = emit.op(
        "Equal", [tables.name(before, f"{name}/name_before"), tables.name(here, f"{name}/name_here")], f"{name}/same"
    )
    inner = tables.says("inner", here, f"{name}/inner")
    odd = tables.says("odd", before, f"{name}/odd")
    weak = emit.op("Or", [inner, odd], f"{name}/weak")
    changes = emit.op("And", [weak, emit.op("Not", [same], f"{name}/differs")], f"{name}/changes")
    begins = emit.op("Or", [tables.says("starting", here, f"{name}/starting"), changes], f"{name}/begins")
    return emit.op("Or", [apart, begins], name)


def _places(emit: Emitter, there: str, name: str) -> str:
    """Return where something is true, int64 `[spans]`, in a row of all sentences."""
    row = emit.op("Reshape", [there, emit.integers(f"{name}/flat", [-1])], f"{name}/row")
    found = emit.op("NonZero", [row], f"{name}/found")
    return emit.op("Squeeze", [found, emit.integers(f"{name}/axis", [0])], name)


def _means(emit: Emitter, first: str, stop: str) -> str:
    """Return the mean of each span's scores, float64 `[spans]` (DA 2091).

    float64 holds the sums of a million scores without rounding, because a score is float32 and at least 1 / (number of
    labels). So differences of sums equal flair's own sums.
    """
    row = emit.op("Reshape", [emit.input("scores"), emit.integers("score/flat", [-1])], "score/row")
    exact = emit.op("Cast", [row], "score/exact", to=11)
    sums = emit.op("CumSum", [exact, emit.number("score/axis", 0, _INT64)], "score/sums")
    nothing = emit.number("score/nothing", 0, "float64")
    sums = emit.op("Pad", [sums, emit.integers("score/front", [1, 0]), nothing], "score/sums_before")
    ends, begins = (
        emit.op("Gather", [sums, place], f"score/{name}", axis=0) for name, place in (("end", stop), ("begin", first))
    )
    total = emit.op("Sub", [ends, begins], "score/total")
    count = emit.op("Cast", [emit.op("Sub", [stop, first], "score/tokens")], "score/count", to=11)
    return emit.op("Div", [total, count], "score")


KIND = Kind(
    name="spans",
    summary="The spans that BIO or BIOES tags encode, by flair's rules: for each its sentence, its first token, the "
    "token after its last, its label, and its score in float64. Its weights are those of the head, from which it takes "
    "the labels.",
    ports=ports,
    build=build,
    weights=True,
    takes="tagger_head",
    view=labels_of,
    example={
        "kind": "spans",
        "weights": "tagger.head",
        "inputs": {"prediction": "crf.prediction", "scores": "crf.scores", "lengths": "tokens.counts"},
    },
)
