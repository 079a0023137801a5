"""`constant`: values that are written in the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import PLAIN_DTYPES, TensorType
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports
from assembler.parts.literals import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.values import Value
    from assembler.onnx_model.emitter import Emitter

#: The greatest value of each type of floating point, and the bits that its whole numbers may have.
_FLOATS = {"float16": (65504.0, 11), "float32": (3.4028234663852886e38, 24), "float64": (1.7976931348623157e308, 53)}


def ports(part: PartView) -> Ports:
    """Take nothing; output the value."""
    sizes: list[int] = []
    value = part.parameters["value"]
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else 0
    return Ports((), (Port("tensor", TensorType(str(part.parameters["dtype"]), tuple(sizes))),))


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of nested lists of different lengths, and of values that are not of the element type."""
    lengths: dict[int, set[int]] = {}
    values: list[tuple[int, Value]] = [(0, part.parameters["value"])]
    for depth, value in values:
        lengths.setdefault(depth, set()).add(len(value) if isinstance(value, list) else -1)
        values += [(depth + 1, item) for item in value] if isinstance(value, list) else []
    if any(len(found) > 1 for found in lengths.values()):
        yield Complaint(("value",), "the nested lists are of different lengths", "give every row as many values")
    dtype = str(part.parameters["dtype"])
    for value in (item for _, item in values if not isinstance(item, list)):
        if not _fits(value, dtype):
            yield Complaint(("value",), f"{value!r} is no {dtype}")
            return
        if dtype in _FLOATS and isinstance(value, int | float) and (reason := _float_reason(value, dtype)) is not None:
            yield Complaint(("value",), f"{value!r} {reason}", "take another element type")
            return


def _fits(value: Value, dtype: str) -> bool:
    if dtype == "string" or isinstance(value, str):
        return dtype == "string" and isinstance(value, str)
    if dtype == "bool" or isinstance(value, bool):
        return dtype == "bool" and isinstance(value, bool)
    if dtype.startswith("float"):
        return isinstance(value, int | float)
    bits = int(dtype.lstrip("uint"))
    low, high = (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return isinstance(value, int) and low <= value <= high


def _float_reason(value: float, dtype: str) -> str | None:
    """Return the complaint about a number that the floating-point type would change by more than rounding."""
    largest, digits = _FLOATS[dtype]
    if abs(value) > largest:
        return f"is infinite as {dtype}, whose greatest value is {largest!r}"
    odd = abs(value) if isinstance(value, int) else 0
    while odd and odd % 2 == 0:
        odd //= 2
    return f"is a whole number that {dtype} cannot hold exactly" if odd.bit_length() > digits else None


def build(part: PartView, emit: Emitter) -> None:
    """Emit an initializer, then an Identity so that a node has the part's name."""
    import numpy as np

    dtype = str(part.parameters["dtype"])
    array = np.array(part.parameters["value"], dtype=object if dtype == "string" else dtype)
    emit.output("tensor", emit.op("Identity", [emit.initializer("value", array)], "constant"))


KIND = Kind(
    name="constant",
    summary="Values that are written in the spec: a number, or nested lists of equal lengths.",
    ports=ports,
    build=build,
    check=check,
    parameters={
        "value": {**literal(), "description": "The values, up to four axes.", "examples": [[0, 2, 1]]},
        "dtype": {
            "enum": list(PLAIN_DTYPES),
            "description": "Their element type.",
            "examples": ["int64"],
        },
    },
    required=("value", "dtype"),
    example={"kind": "constant", "value": [0, 2, 1], "dtype": "int64"},
)
