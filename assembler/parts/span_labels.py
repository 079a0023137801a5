"""The facts on each label that span decoding needs, and the label that most of a span's tokens have.

DA is flair 0.15.1's data.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.onnx_model.emitter import Emitter

_OUTSIDE = frozenset({"", "O", "_", "O-"})
_INT64 = "int64"


class LabelTables:
    """Facts on labels, looked up by class; the class after the last label means that there is no token."""

    def __init__(self, emit: Emitter, labels: Sequence[str]) -> None:
        """Read the labels.

        A label's name is the text after its second character, even if those two are not a prefix.
        """
        self._emit = emit
        known = [*labels, ""]
        outside = [label in _OUTSIDE for label in known]
        named = ["" if out else label[2:] for label, out in zip(known, outside, strict=True)]
        self.names = list(dict.fromkeys(named))
        facts = {
            "outside": outside,
            "starting": [label[:2] in {"B-", "S-"} for label in known],
            "inner": [label[:2] == "I-" for label in known],
            # copied on purpose: flair compares the previous name where it meant the previous prefix (DA 2081)
            "odd": [name == "S-" for name in named],
        }
        self._facts = {fact: emit.initializer(f"is_{fact}", np.array(values)) for fact, values in facts.items()}
        self._numbers = emit.initializer("name_numbers", np.array([self.names.index(name) for name in named], _INT64))

    def says(self, fact: str, classes: str, name: str) -> str:
        """Return a fact on each class, bool."""
        return self._emit.op("Gather", [self._facts[fact], classes], name, axis=0)

    def name(self, classes: str, name: str) -> str:
        """Return the number of each class's name, int64."""
        return self._emit.op("Gather", [self._numbers, classes], name, axis=0)


def emit_majority(emit: Emitter, tables: LabelTables, classes: str, starts: str, spans: tuple[str, str]) -> str:
    """Return the name that most of a span's tokens have, the first among equals, string `[spans]`.

    flair counts 1.1 for a token that starts the span (DA 2103). It can only be the first one, which wins ties as it is.

    Args:
        emit: Where operators go.
        tables: The facts on the labels.
        classes: int64 `[sentences, tokens]`.
        starts: Where a span starts, bool `[sentences, tokens]`.
        spans: The first token of each span and the one after its last, counted over all sentences in a row.
    """
    first, stop = spans
    names = _row(emit, tables.name(classes, "majority/names"), "majority/name")
    begun = _row(emit, emit.op("Cast", [starts], "majority/starts", to=7), "majority/start")
    # 0 before the first span, where `_counts` has a row of zeros; after a span, the span's own number
    span = emit.op("CumSum", [begun, emit.number("majority/axis", 0, _INT64)], "majority/span")
    counts = _counts(emit, names, len(tables.names), spans)
    column = emit.integers("majority/column", [1])
    pairs = emit.op(
        "Concat",
        [emit.op("Unsqueeze", [each, column], f"majority/pair_{place}") for place, each in enumerate((span, names))],
        "majority/pairs",
        axis=1,
    )
    own = emit.op("GatherND", [counts, pairs], "majority/own")
    most = emit.op("Gather", [emit.reduce_max(counts, 1, "majority/greatest"), span], "majority/most", axis=0)
    return _first_names(emit, tables, names, emit.op("Equal", [own, most], "majority/equal"), (first, stop, span))


def _row(emit: Emitter, tensor: str, name: str) -> str:
    return emit.op("Reshape", [tensor, emit.integers(f"{name}_flat", [-1])], f"{name}_row")


def _counts(emit: Emitter, names: str, count: int, spans: tuple[str, str]) -> str:
    """Return how often each name occurs in each span, int64 `[1 + spans, names]`, below a row of zeros."""
    first, stop = spans
    every = emit.initializer("count/names", np.arange(count, dtype=np.int64).reshape(1, -1))
    column = emit.op("Unsqueeze", [names, emit.integers("count/column", [1])], "count/name")
    one_hot = emit.op("Cast", [emit.op("Equal", [column, every], "count/is")], "count/one_hot", to=7)
    sums = emit.op("CumSum", [one_hot, emit.number("count/axis", 0, _INT64)], "count/sums")
    front = emit.integers("count/front", [1, 0, 0, 0])
    sums = emit.op("Pad", [sums, front], "count/sums_before")
    ends, begins = (
        emit.op("Gather", [sums, place], f"count/{name}", axis=0) for name, place in (("end", stop), ("begin", first))
    )
    return emit.op("Pad", [emit.op("Sub", [ends, begins], "count/counts"), front], "count")


def _first_names(emit: Emitter, tables: LabelTables, names: str, equal: str, spans: tuple[str, str, str]) -> str:
    """Return the name of each span's first token whose name is the most frequent one."""
    first, stop, span = spans
    tokens = emit.op("Shape", [names], "win/shape")
    zero, one = emit.number("win/from", 0, _INT64), emit.number("win/by", 1, _INT64)
    count = emit.op("Squeeze", [tokens, emit.integers("win/axis", [0])], "win/tokens")
    places = emit.op("Range", [zero, count, one], "win/places")
    front = emit.integers("win/front", [1, 0])
    firsts, stops = (
        emit.op("Gather", [emit.op("Pad", [each, front], f"win/{name}s"), span], f"win/{name}", axis=0)
        for name, each in (("first", first), ("stop", stop))
    )
    wins = emit.op("And", [equal, emit.op("Less", [places, stops], "win/inside")], "win/wins")
    sums = emit.op("CumSum", [emit.op("Cast", [wins], "win/number", to=7), zero], "win/sums", exclusive=1)
    earlier = emit.op("Gather", [sums, firsts], "win/earlier", axis=0)
    chosen = emit.op("And", [wins, emit.op("Equal", [sums, earlier], "win/is_first")], "win/chosen")
    found = emit.op("Squeeze", [emit.op("NonZero", [chosen], "win/found"), emit.integers("win/row", [0])], "win/place")
    numbers = emit.op("Gather", [names, found], "win/names", axis=0)
    table = emit.initializer("names", np.array(tables.names, dtype=object))
    return emit.op("Gather", [table, numbers], "label", axis=0)
