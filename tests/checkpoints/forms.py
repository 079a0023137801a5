"""Writes checkpoints by hand: pickles operation by operation, and the two forms around them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
ORDERED = b"ccollections\nOrderedDict\n"
DICTIONARY = b"cflair.data\nDictionary\n"
FLOATS = b"ctorch\nFloatStorage\n"


class Raw(bytes):
    """Operations that make a value."""

    __slots__ = ()


def written(value: object) -> bytes:
    """Return the operations that make a value."""
    if isinstance(value, Raw):
        return bytes(value)
    for kind, write in _WRITERS.items():
        if type(value) is kind:
            return write(value)
    raise TypeError(value)


def _listed(values: Sequence[object]) -> bytes:
    return b"(" + b"".join(map(written, values))


_WRITERS = {
    type(None): lambda _: b"N",
    bool: lambda value: b"\x88" if value else b"\x89",
    int: lambda value: b"\x8a" + bytes([len(_long(value))]) + _long(value),
    float: lambda value: b"G" + struct.pack(">d", value),
    str: lambda value: b"X" + struct.pack("<I", len(value.encode())) + value.encode(),
    bytes: lambda value: b"B" + struct.pack("<I", len(value)) + value,
    list: lambda value: b"]" + _listed(value) + b"e",
    tuple: lambda value: _listed(value) + b"t",
    dict: lambda value: b"}" + _listed([part for pair in value.items() for part in pair]) + b"u",
}


def _long(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def call(function: bytes, *arguments: object) -> Raw:
    """Return the operations of a call."""
    return Raw(function + written(arguments) + b"R")


def storage(key: object = "0", count: object = 4, cls: bytes = FLOATS, place: object = "cpu") -> Raw:
    """Return the operations that declare a storage."""
    return Raw(written(("storage", Raw(cls), key, place, count)) + b"Q")


def tensor(
    shape: Sequence[object] = (4,),
    strides: Sequence[object] = (1,),
    offset: object = 0,
    *,
    of: Raw | None = None,
    more: Sequence[object] = (),
) -> Raw:
    """Return the operations of a tensor."""
    hooks = call(ORDERED)
    return call(REBUILD, storage() if of is None else of, offset, tuple(shape), tuple(strides), False, hooks, *more)  # noqa: FBT003


def dictionary(*items: str, **attributes: object) -> Raw:
    """Return the operations of a dictionary of flair's."""
    encoded = [item.encode() for item in items]
    state = {"item2idx": {item: number for number, item in enumerate(encoded)}, "idx2item": encoded, "add_unk": False}
    return Raw(DICTIONARY + b")\x81" + written({**state, **attributes}) + b"b")


def a_pickle(value: object) -> bytes:
    """Return a whole pickle."""
    return b"\x80\x02" + written(value) + b"."


def old_form(data: bytes, storages: Mapping[str, bytes] | None = None, *, size: int = 4, keys: object = None) -> bytes:
    """Return a checkpoint in the form before zip."""
    stored = storages or {}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, VERSION, {"little_endian": True}))
    body = b"".join(struct.pack("<q", len(content) // size) + content for content in stored.values())
    return head + data + pickle.dumps(sorted(stored) if keys is None else keys, 2) + body


def zip_form(data: bytes, storages: Mapping[str, bytes] | None = None, **more: bytes) -> bytes:
    """Return a checkpoint in zip form."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a/data.pkl", data)
        for key, content in (storages or {}).items():
            archive.writestr(f"a/data/{key}", content)
        for name, content in more.items():
            archive.writestr(f"a/{name}", content)
    return target.getvalue()
