"""`subtoken_pooling`: the states of subtokens to one row for each token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.emitter import Emitter

_SUBTOKENS = (Variable("pieces"), Variable("subtokens"))
_ROWS = Variable("rows")
#: The version of ONNX's operators with which `ScatterND` learnt to add.
_ADDING = 16


def _pooling(part: PartView) -> str:
    return str(part.parameters.get("pooling", "first"))


def ports(part: PartView) -> Ports:
    """Take the states of subtokens, and which of them belong to which token; output rows."""
    pooling = _pooling(part)
    dims = part.arriving("states").dims
    width = dims[-1] if dims else None
    if pooling == "first_last":
        width = 2 * width if isinstance(width, int) else None
    row = TensorType("int64", (_ROWS,))
    fed: tuple[Port, ...]
    if pooling == "mean":
        fed = (
            Port("words", TensorType("int64", _SUBTOKENS), fill="subtoken_words", about="states"),
            Port("lengths", TensorType("int64", (Variable("sentences"),)), fill="token_lengths"),
        )
    else:
        names = ("first", "last") if pooling == "first_last" else (pooling,)
        fed = tuple(Port(name, row, fill=f"{name}_subtokens", about="states") for name in names)
    return Ports(
        inputs=(Port("states", TensorType("float32", (*_SUBTOKENS, None))), *fed),
        # the rows of a mean are counted at run time: no input has as many
        outputs=(Port("rows", TensorType("float32", (None if pooling == "mean" else _ROWS, width))),),
    )


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of states that are not those of subtokens."""
    rank = part.arriving("states").rank
    if rank not in {None, 3}:
        yield Complaint(("inputs", "states"), f"pools states of rank {rank}, expected [pieces, subtokens, features]")


def build(part: PartView, emit: Emitter) -> None:
    """Emit the look-up of one state per token, or the mean over all of them.

    A token without subtokens has a vector of zeros (flair's transformer.py 97-134, 151-164): the row after the last.
    """
    shape = emit.op("Shape", [emit.input("states")], "shape")
    features = emit.op("Gather", [shape, emit.integers("last_axis", [2])], "features", axis=0)
    flat = emit.op("Concat", [emit.integers("rows", [-1]), features], "flat_shape", axis=0)
    states = emit.op("Reshape", [emit.input("states"), flat], "flat")
    if _pooling(part) == "mean":
        emit.output("rows", _mean(emit, states))
        return
    one = emit.op("Concat", [emit.integers("one", [1]), features], "zero_shape", axis=0)
    zeros = emit.op("Expand", [emit.number("zero", 0.0, "float32"), one], "zero_row")
    table = emit.op("Concat", [states, zeros], "table", axis=0)
    names = ("first", "last") if _pooling(part) == "first_last" else (_pooling(part),)
    found = [emit.op("Gather", [table, emit.input(name)], f"gather_{name}", axis=0) for name in names]
    emit.output("rows", found[0] if len(found) == 1 else emit.op("Concat", found, "joined", axis=-1))


def _mean(emit: Emitter, states: str) -> str:
    """Emit the mean of each token's subtokens; those that belong to no token go into a row that is cut off."""
    lengths = emit.input("lengths")
    longest = emit.op("Reshape", [emit.reduce_max(lengths, 0, "longest"), emit.integers("vector", [1])], "tokens")
    count = emit.op("Mul", [emit.op("Shape", [lengths], "sentences"), longest], "token_rows")
    words = emit.op("Reshape", [emit.input("words"), emit.integers("flat_words", [-1])], "words")
    nobody = emit.op("Less", [words, emit.number("none", 0, "int64")], "nobody")
    rows = emit.op("Where", [nobody, count, words], "target")
    sums, counts = (_scattered if emit.opset >= _ADDING else _multiplied)(emit, states, rows, count)
    # a token without subtokens has the sum 0; divided by 1 instead of 0 it stays 0
    least = emit.op("Max", [counts, emit.number("least", 1.0, "float32")], "at_least_one")
    means = emit.op("Div", [sums, emit.op("Unsqueeze", [least, emit.integers("column", [1])], "divisor")], "means")
    return emit.op("Slice", [means, emit.integers("start", [0]), count, emit.integers("axis", [0])], "kept")


def _scattered(emit: Emitter, states: str, rows: str, count: str) -> tuple[str, str]:
    """Emit the sum and the number of the states that go to each row, `count` rows and a spare one."""
    places = emit.op("Unsqueeze", [rows, emit.integers("place_axis", [1])], "places")
    room = emit.op("Add", [count, emit.integers("spare", [1])], "room")
    shape = emit.op("Concat", [room, emit.op("Shape", [states], "width", start=1)], "sum_shape", axis=0)
    zero = emit.number("zero", 0.0, "float32")
    sums = emit.op("ScatterND", [emit.op("Expand", [zero, shape], "no_sum"), places, states], "sums", reduction="add")
    ones = emit.op("Expand", [emit.number("one", 1.0, "float32"), emit.op("Shape", [rows], "row_shape")], "ones")
    none = emit.op("Expand", [zero, room], "no_count")
    return sums, emit.op("ScatterND", [none, places, ones], "counts", reduction="add")


def _multiplied(emit: Emitter, states: str, rows: str, count: str) -> tuple[str, str]:
    """Emit the same for older operators: a matrix says which state goes to which row. Limit: rows times subtokens."""
    one, zero = emit.number("one", 1, "int64"), emit.number("start_row", 0, "int64")
    room = emit.op("Add", [emit.op("Squeeze", [count], "scalar"), one], "room")
    numbers = emit.op("Unsqueeze", [emit.op("Range", [zero, room, one], "numbers"), emit.integers("to", [1])], "column")
    belongs = emit.op("Cast", [emit.op("Equal", [numbers, rows], "same")], "belongs", to=1)
    sums = emit.op("MatMul", [belongs, states], "sums")
    return sums, emit.op("ReduceSum", [belongs, emit.integers("over", [1])], "counts", keepdims=0)


KIND = Kind(
    name="subtoken_pooling",
    summary="One row for each token from the states of its subtokens: that of the first, of the last, both side by "
    "side, or the mean of all. A token without subtokens has zeros.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "pooling": {
            "enum": ["first", "last", "first_last", "mean"],
            "description": "Which of a token's subtokens count. `mean` is slow at opsets below 16.",
            "examples": ["first"],
        }
    },
    required=("pooling",),
    example={
        "kind": "subtoken_pooling",
        "pooling": "first",
        "inputs": {"states": "encoder.states", "first": "firstSubtokens"},
    },
)
