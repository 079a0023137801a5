"""The content of a model file for its digests, read without ONNX and without holding the weights in memory.

`assembler/onnx_model/digests.py` makes the same digests from a model in memory, and says what they cover.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from assembler.onnx_file.wire import LENGTH, Field, WireError, content, fields, numbers, signed, varints, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The metadata entries that hold the digests: of everything, and of everything but the values of large weights.
CONTENT, STRUCTURE = "assembler.content", "assembler.structure"
#: Smaller weights belong to the structure: they may be shapes and axes, which decide how much memory is requested.
LARGE = 4096

_PREFIX = "assembler."
_STRING = 8
# Types with two or four values in a byte; in memory each has its own byte.
_SPLIT = frozenset((21, 22, 23, 25, 26))
_CHUNK = 1 << 20
# Field numbers of onnx.proto.
_OPSETS, _GRAPH, _PROPERTIES, _FUNCTIONS = 8, 7, 14, 25
_INITIALIZER = 5
_DIMS, _TYPE, _FLOATS, _INTS, _STRINGS, _LONGS, _NAME, _RAW, _DOUBLES, _UNSIGNED = 1, 2, 4, 5, 6, 7, 8, 9, 10, 11
_EXTERNAL_DATA, _LOCATION = 13, 14
# The bytes of one value in `int32_data`, which also holds smaller types, by element type.
_NARROW = {6: 4, 2: 1, 3: 1, 9: 1, 17: 1, 18: 1, 19: 1, 20: 1, 24: 1, 4: 2, 5: 2, 10: 2, 16: 2}


@dataclass(slots=True)
class Weights:
    """One initializer.

    Attributes:
        name: Its name.
        type: Its element type, by ONNX's number.
        dims: Its sizes.
        small: Its values, where they are not raw bytes.
        raw: The place of its raw bytes, or `None`.
        beside: The entries that say where in another file its bytes are; empty if they are in this one.
    """

    name: str = ""
    type: int = 0
    dims: list[int] = field(default_factory=list)
    small: dict[int, list[bytes]] = field(default_factory=dict)
    raw: Field | None = None
    beside: dict[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(slots=True)
class Contents:
    """A model file.

    Attributes:
        path: The file.
        properties: Its `metadata_props`.
        functions: The places of its functions.
        opsets: Its operator sets, as the digest has them.
        graph: The places of what the graph holds beside its initializers.
        weights: The initializers.
    """

    path: Path
    properties: dict[str, str] = field(default_factory=dict)
    functions: list[Field] = field(default_factory=list)
    opsets: list[str] = field(default_factory=list)
    graph: list[tuple[int, int]] = field(default_factory=list)
    weights: list[Weights] = field(default_factory=list)

    @property
    def own(self) -> dict[str, str]:
        """The entries of the metadata that the assembler wrote."""
        return {key: value for key, value in self.properties.items() if key.startswith(_PREFIX)}

    def digest(self, *, whole: bool) -> str:
        """Return the digest of everything, or of the structure alone.

        Raises:
            WireError: The file is not a model, or it has weights of a type that is not known here.
            OSError: It, or the file of weights beside it, cannot be read.
        """
        digest = hashlib.sha256()
        with self.path.open("rb") as stream:
            for key, value in sorted(self.own.items()):
                if key != CONTENT and (whole or key != STRUCTURE):
                    digest.update(f"{key}={len(value)}\n{value}\n".encode())
            for function in self.functions:
                digest.update(content(stream, function))
            for opset in self.opsets:
                digest.update(opset.encode())
            for begin, end in self.graph:
                for chunk in _chunks(stream, begin, end):
                    digest.update(chunk)
            for weights in sorted(self.weights, key=lambda each: each.name):
                digest.update(f"\n{weights.name}:{weights.type}:{weights.dims}\n".encode())
                if whole or self._size(weights) < LARGE:
                    for chunk in self._payload(stream, weights):
                        digest.update(chunk)
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """The bytes of the weights that the structure leaves out."""
        return sum(size for weights in self.weights if (size := self._size(weights)) >= LARGE)

    def _size(self, weights: Weights) -> int:
        if weights.external:
            return _number(weights.beside, "length")
        if weights.raw is not None:
            return weights.raw.end - weights.raw.start
        return 0 if weights.type == _STRING else len(_unpacked(weights))

    def _payload(self, stream: BinaryIO, weights: Weights) -> Iterator[bytes]:
        if weights.type in _SPLIT:
            message = f"the weights '{weights.name}' are of the type {weights.type}, which is not checked here"
            raise WireError(message)
        if weights.external:
            yield from self._beside(weights)
        elif weights.raw is not None:
            yield from _chunks(stream, weights.raw.start, weights.raw.end)
        elif weights.type == _STRING:
            texts = np.asarray([text.decode("utf-8") for text in weights.small.get(_STRINGS, [])]).astype(object)
            yield repr(texts.reshape(weights.dims).tolist()).encode("utf-8", "backslashreplace")
        else:
            yield _unpacked(weights)

    def _beside(self, weights: Weights) -> Iterator[bytes]:
        location = weights.beside.get("location", "")
        folder = self.path.parent.resolve()
        path = (folder / location).resolve()
        if not location or not path.is_relative_to(folder) or not path.is_file():
            message = f"the file '{location}' of weights beside it is missing"
            raise WireError(message)
        start, length = _number(weights.beside, "offset"), _number(weights.beside, "length")
        if start + length > path.stat().st_size:
            message = f"the file '{location}' of weights beside it is cut short"
            raise WireError(message)
        with path.open("rb", buffering=0) as data:
            yield from _chunks(data, start, start + length)


def read_contents(path: Path) -> Contents:
    """Read the places of everything in a model file.

    Raises:
        WireError: It is not a model.
        OSError: It cannot be read.
    """
    found = Contents(path)
    graphs = 0
    with path.open("rb") as stream:
        for entry in fields(stream, whole(stream)):
            if entry.number == _PROPERTIES and entry.kind == LENGTH:
                key, value = _texts(stream, entry, 1, 2)
                found.properties[key] = value
            elif entry.number == _FUNCTIONS:
                found.functions.append(entry)
            elif entry.number == _OPSETS and entry.kind == LENGTH:
                found.opsets.append(_opset(stream, entry))
            elif entry.number == _GRAPH and entry.kind == LENGTH:
                graphs += 1
                _read_graph(stream, entry, found)
    if graphs != 1:
        message = "it has no graph, or several"
        raise WireError(message)
    return found


def _read_graph(stream: BinaryIO, graph: Field, found: Contents) -> None:
    for entry in fields(stream, graph):
        if entry.number == _INITIALIZER and entry.kind == LENGTH:
            found.weights.append(_weights(stream, entry))
        elif found.graph and found.graph[-1][1] == entry.begin:
            found.graph[-1] = (found.graph[-1][0], entry.end)
        else:
            found.graph.append((entry.begin, entry.end))


def _weights(stream: BinaryIO, tensor: Field) -> Weights:
    weights = Weights()
    for entry in [*fields(stream, tensor)]:
        if entry.number == _DIMS:
            weights.dims += map(signed, numbers(stream, entry))
        elif entry.number == _TYPE:
            weights.type = entry.value
        elif entry.number == _NAME:
            weights.name = _text(content(stream, entry))
        elif entry.number == _RAW:
            weights.raw = entry
        elif entry.number == _EXTERNAL_DATA:
            key, value = _texts(stream, entry, 1, 2)
            weights.beside[key] = value
        elif entry.number == _LOCATION:
            weights.external = entry.value == 1
        elif entry.number in {_FLOATS, _INTS, _STRINGS, _LONGS, _DOUBLES, _UNSIGNED} and entry.kind == LENGTH:
            weights.small.setdefault(entry.number, []).append(content(stream, entry))
    return weights


def _unpacked(weights: Weights) -> bytes:
    """Return values from a field of their type, as the bytes of an array."""
    joined = {number: b"".join(parts) for number, parts in weights.small.items()}
    if weights.type in {1, 14}:
        return joined.get(_FLOATS, b"")
    if weights.type in {11, 15}:
        return joined.get(_DOUBLES, b"")
    if weights.type in {12, 13}:
        width, number = (4 if weights.type == 12 else 8), _UNSIGNED  # noqa: PLR2004 - uint32
    elif weights.type == 7:  # noqa: PLR2004 - int64
        width, number = 8, _LONGS
    elif weights.type in _NARROW:
        width, number = _NARROW[weights.type], _INTS
    else:
        message = f"the weights '{weights.name}' are of the type {weights.type}, which is not checked here"
        raise WireError(message)
    values = np.array(varints(joined.get(number, b"")), dtype=np.uint64)
    return values.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


def _opset(stream: BinaryIO, entry: Field) -> str:
    domain, version = "", 0
    for part in [*fields(stream, entry)]:
        if part.number == 1 and part.kind == LENGTH:
            domain = _text(content(stream, part))
        elif part.number == 2:  # noqa: PLR2004 - the field of the version
            version = signed(part.value)
    return f"{domain}:{version}\n"


def _texts(stream: BinaryIO, entry: Field, *numbers: int) -> list[str]:
    """Return the texts of some fields of a message: the last text of a field, or an empty one if it has none."""
    found = {part.number: part for part in [*fields(stream, entry)] if part.kind == LENGTH}
    return [_text(content(stream, found[number])) if number in found else "" for number in numbers]


def _text(data: bytes) -> str:
    return data.decode("utf-8")


def _number(entries: dict[str, str], key: str) -> int:
    text = entries.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - the digits of 2^63
        message = f"the {key} of its external weights is not a number"
        raise WireError(message)
    return int(text)


def _chunks(stream: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    stream.seek(start)
    while start < end:
        chunk = stream.read(min(_CHUNK, end - start))
        if not chunk:
            message = "the file ended while it was read"
            raise WireError(message)
        start += len(chunk)
        yield chunk
