"""Messages between our process and the separate one: a JSON header, then arrays as plain bytes.

Nothing is pickled. The other process runs a stranger's graph in native code, so its output is trusted as little as a
file: sizes are bounded and have to agree before an array is made.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from assembler.core.element_types import beyond_numpy, element_type, numpy_type
from assembler.isolation.flat_values import flat, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from assembler.core.arrays import RuntimeValues

_SIZES = struct.Struct("<QQ")
_LONGEST_HEADER = 1 << 26
#: More than any tensor of a proof has. The memory of the process that sends it is bounded separately.
_MOST_BYTES = 1 << 40
_TEXT = "text"
#: The element types that can be sent, as numpy writes them. Those that numpy lacks are sent by their names.
_PLAIN = frozenset(np.dtype(name).str for name in "?bBhHiIlLqQefdFD")


class DamagedFrameError(ValueError):
    """The bytes that arrived are not a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A request or an answer.

    Attributes:
        words: Short values by name.
        arrays: Named arrays.
        values: Inputs and outputs of models, which may be sequences, maps and optionals of arrays.
    """

    words: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    values: RuntimeValues = field(default_factory=dict)

    def write(self, stream: BinaryIO) -> None:
        """Write the frame.

        Raises:
            OSError: The other end is closed.
            TypeError: The elements of an array are of a type that cannot be sent.
        """
        values, inside = flat(self.values)
        arrays = [*self.arrays.items(), *inside.items()]
        packed = [_packed(name, array) for name, array in arrays]
        described = [
            {"name": name, "dtype": dtype, "shape": list(array.shape), "size": len(content)}
            for (name, array), (dtype, content) in zip(arrays, packed, strict=True)
        ]
        parts = {"words": dict(self.words), "arrays": described, "values": values, "own": len(self.arrays)}
        header = json.dumps(parts).encode()
        total = sum(len(content) for _, content in packed)
        stream.write(_SIZES.pack(len(header), total) + header)
        stream.writelines(content for _, content in packed)
        stream.flush()

    @classmethod
    def read(cls, stream: BinaryIO) -> Frame:
        """Read a frame.

        Raises:
            EOFError: There is none, or it is cut short.
            DamagedFrameError: The bytes are not a frame.
        """
        length, total = _SIZES.unpack(_exactly(stream, _SIZES.size))
        if length > _LONGEST_HEADER or total > _MOST_BYTES:
            message = "its sizes are out of bounds"
            raise DamagedFrameError(message)
        try:
            header = json.loads(_exactly(stream, length))
            words, described = dict(header["words"]), list(header["arrays"])
            if sum(_size(each) for each in described) != total:
                message = "its sizes do not agree"
                raise DamagedFrameError(message)
            arrays = [*_arrays(stream, described)]
            own = int(header["own"])
            return cls(words, dict(arrays[:own]), whole(dict(header["values"]), dict(arrays[own:])))
        except (LookupError, TypeError, UnicodeError, RecursionError) as err:
            raise DamagedFrameError(str(err)) from err


def _packed(name: str, array: NDArray[Any]) -> tuple[str, bytes]:
    if array.dtype.kind in "OU":
        return _TEXT, json.dumps([str(text) for text in array.ravel().tolist()]).encode()
    name_of_type = element_type(array)
    if beyond_numpy(name_of_type):
        return name_of_type, np.ascontiguousarray(array).tobytes()
    if array.dtype.str not in _PLAIN:
        message = f"{name} is of the type {array.dtype}, which cannot be compared"
        raise TypeError(message)
    return array.dtype.str, np.ascontiguousarray(array).tobytes()


def _size(described: Mapping[str, Any]) -> int:
    size = described["size"]
    if type(size) is not int or size < 0:
        message = "a size is not a number"
        raise DamagedFrameError(message)
    return size


def _arrays(stream: BinaryIO, described: list[Mapping[str, Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    for each in described:
        shape = tuple(each["shape"])
        if any(type(dim) is not int or dim < 0 for dim in shape):
            message = "a shape is not a list of sizes"
            raise DamagedFrameError(message)
        content = _exactly(stream, _size(each))
        if each["dtype"] == _TEXT:
            texts = json.loads(content)
            array: NDArray[Any] = np.array([str(text) for text in texts], object)
        elif each["dtype"] in _PLAIN:
            array = np.frombuffer(content, np.dtype(each["dtype"]))
        elif beyond_numpy(each["dtype"]):
            array = np.frombuffer(content, numpy_type(each["dtype"]))
        else:
            message = "an element type is unknown"
            raise DamagedFrameError(message)
        if array.size != prod(shape):
            message = "a shape does not fit its array"
            raise DamagedFrameError(message)
        yield str(each["name"]), array.reshape(shape)


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    """Read a number of bytes. They are read in pieces, so a size alone reserves no memory."""
    content = bytearray()
    while len(content) < size:
        piece = stream.read(min(size - len(content), 1 << 24))
        if not piece:
            raise EOFError
        content += piece
    return content
