"""Compares the metadata of two models, down to the first difference of each value."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from assembler.workflows.inspection import model_entries, model_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two models differ.

    Attributes:
        place: Where, for example `interface.inputs.0.name`.
        a: The value in the first model, as JSON, shortened; `(nothing)` if it has none.
        b: The value in the second.
    """

    place: str
    a: str
    b: str

    def as_dict(self) -> dict[str, str]:
        """Return the record that `--format json` prints."""
        return asdict(self)


_NOTHING = object()


def differences(a: Path, b: Path) -> list[Difference]:
    """Return the places in which two models differ; `content` is the digest of graph and weights.

    Raises:
        ModelError: One of them is not one of our models (M010 to M014).
    """
    return list(_compare("", _facts(a), _facts(b)))


def _facts(path: Path) -> dict[str, object]:
    header = model_header(path)
    ports = {"inputs": header.inputs, "outputs": header.outputs}
    types = {key: {name: str(type_) for name, type_ in value.items()} for key, value in ports.items()}
    return {**model_entries(path, header), "opset": header.opset, "types": types}


def _compare(place: str, a: object, b: object) -> Iterator[Difference]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _compare(f"{place}.{key}" if place else str(key), a.get(key, _NOTHING), b.get(key, _NOTHING))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (ours, theirs) in enumerate(zip(a, b, strict=True)):
            yield from _compare(f"{place}.{index}", ours, theirs)
    elif a is _NOTHING or b is _NOTHING or a != b:
        yield Difference(place, _text(a), _text(b))


def _text(value: object) -> str:
    if value is _NOTHING:
        return "(nothing)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
