"""A number for each code point, looked up in pages, so that a table is as small as the alphabet that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Array
    from assembler.onnx_model.emitter import Emitter

_INT64 = "int64"
#: The code points of a page.
PAGE = 256


def emit_numbers(
    emit: Emitter, codes: str, numbers: Mapping[int, int], prefix: str = "", values: str = "ids", dtype: str = "int32"
) -> str:
    """Return the number of each code point, int64 of the shape of `codes`, 0 for one that has none.

    Any int64 may be looked up: what is below 0 has the number of code point 0, and what is beyond the last known page
    has none.

    Args:
        emit: Where operators go.
        codes: The code points, int64.
        numbers: The numbers of those that have one.
        prefix: A prefix for the names of the operators.
        values: The name of the numbers.
        dtype: The element type in which they are stored.
    """
    pages, rows = _pages(numbers, dtype)
    size = emit.number(f"{prefix}page_size", PAGE, _INT64)
    least = emit.number(f"{prefix}least", 0, _INT64)
    most = emit.number(f"{prefix}most", len(pages) * PAGE - 1, _INT64)
    known = emit.op("Min", [emit.op("Max", [codes, least], f"{prefix}not_below"), most], f"{prefix}not_above")
    page = emit.op("Div", [known, size], f"{prefix}page")
    start = emit.op("Mul", [page, size], f"{prefix}page_start")
    within = emit.op("Sub", [known, start], f"{prefix}within")
    row = emit.op("Gather", [emit.initializer(f"{prefix}pages", pages), page], f"{prefix}row", axis=0)
    place = emit.op("Add", [emit.op("Mul", [row, size], f"{prefix}row_start"), within], f"{prefix}place")
    found = emit.op("Gather", [emit.initializer(f"{prefix}{values}", rows), place], f"{prefix}found", axis=0)
    return emit.op("Cast", [found], f"{prefix}known_{values}", to=7)


def _pages(numbers: Mapping[int, int], dtype: str) -> tuple[Array, Array]:
    """Return the number of each page's row, int64, and the numbers of all rows one after another.

    Row 0 has no numbers. The last page is beyond all known code points, and is used for every one after it.
    """
    used = sorted({code // PAGE for code in numbers})
    pages = np.zeros(max(used, default=-1) + 2, np.int64)
    pages[used] = np.arange(1, len(used) + 1)
    rows = np.zeros((len(used) + 1) * PAGE, dtype)
    for code, number in numbers.items():
        rows[pages[code // PAGE] * PAGE + code % PAGE] = number
    return pages, rows
