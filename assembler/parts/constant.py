"""`constant`: values that the spec itself gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.wiring.tensors import DTYPES, TensorType

if TYPE_CHECKING:
    from assembler.parts.emitter import Emitter
    from assembler.spec.yaml_text import Value

_MOST_NESTED = 4
_NUMBER: Value = {"type": ["number", "boolean", "string"]}


def ports(part: PartView) -> Ports:
    """Nothing in; the value out."""
    sizes: list[int] = []
    value = part.parameters["value"]
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else 0
    return Ports((), (Port("tensor", TensorType(str(part.parameters["dtype"]), tuple(sizes))),))


def build(part: PartView, emit: Emitter) -> None:
    """Emit an initializer, behind an Identity so that the node has a name of its own.

    Raises:
        ModelError: The value is not of the element type, or its lists are not of one length (M005).
    """
    import numpy as np

    from assembler.errors import ModelError
    from assembler.problems import Problem

    dtype = str(part.parameters["dtype"])
    try:
        array = np.array(part.parameters["value"], dtype=object if dtype == "string" else dtype)
    except (ValueError, TypeError, OverflowError) as err:
        message = f"{part.node}: the value is no {dtype} tensor: {err}"
        raise ModelError(Problem("M005", message, "nested lists must have equal lengths")) from err
    emit.output("tensor", emit.op("Identity", [emit.initializer("value", array)], "constant"))


def _nested(depth: int) -> Value:
    return {"anyOf": [_NUMBER, {"type": "array", "items": _nested(depth - 1)}]} if depth else _NUMBER


KIND = Kind(
    name="constant",
    summary="Values that the spec gives: a number, or nested lists of equal lengths.",
    ports=ports,
    build=build,
    parameters={
        "value": {**_nested(_MOST_NESTED), "description": "The values, up to four axes.", "examples": [[0, 2, 1]]},  # type: ignore[dict-item]
        "dtype": {
            "enum": [dtype for dtype in DTYPES if dtype != "bfloat16"],
            "description": "Their element type.",
            "examples": ["int64"],
        },
    },
    required=("value", "dtype"),
    example={"kind": "constant", "value": [0, 2, 1], "dtype": "int64"},
)
