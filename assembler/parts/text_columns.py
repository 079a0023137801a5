"""The columns of texts of code points: where tokens are in them, and values that are put into other columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_INT64, _SPACE = "int64", 32


def first_row(emit: Emitter) -> tuple[str, str]:
    """Return the bounds of the first entry of a shape: how many rows there are."""
    return emit.integers("rows/begin", [0]), emit.integers("rows/end", [1])


def emit_columns(emit: Emitter, rows: str) -> tuple[str, str, str]:
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


def longest(emit: Emitter, sizes: str, name: str) -> str:
    """Return the greatest of some sizes, at least 1, as a vector of one number."""
    greatest = emit.op(
        "Unsqueeze", [emit.reduce_max(sizes, 0, f"{name}/greatest"), axis_of(emit, name)], f"{name}/most"
    )
    return emit.op("Max", [greatest, emit.integers(f"{name}/least", [1])], name)


def axis_of(emit: Emitter, name: str, axis: int = 0) -> str:
    """Return an axis as a vector of one number."""
    return emit.integers(f"{name}/axis", [axis])


def scattered(emit: Emitter, width: str, what: tuple[str, str, str], name: str, over: str = "") -> str:
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
