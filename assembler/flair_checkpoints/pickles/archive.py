"""Reads the zip archives that torch writes: only where their members are; it extracts nothing.

Members are stored uncompressed, one after another from the first byte on, with the directory at the end. Refused are
members that are compressed or encrypted, occur twice or overlap, and bytes before the first one. PKWARE's APPNOTE.TXT
describes the records; torch always writes those of zip64.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assembler.flair_checkpoints.pickles.rejections import DamagedError, OtherFormError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BEGINNING = b"PK\x03\x04"
_MOST_MEMBERS = 1 << 17
_LONGEST_NAME = 1 << 10

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FIELD = struct.Struct("<2H")
_ZIP64 = 1  # the kind of the extra field that has the sizes which need 64 bits
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_NOT_ASSEMBLED = "R005"
#: The flags that may be set: sizes after the data, and names in UTF-8.
_FLAGS = 0x0808
#: The members that torch and flair write besides the storages; each version of torch writes some of them.
_SINGLE = frozenset(
    {"data.pkl", "byteorder", "version", ".format_version", ".storage_alignment", ".data/serialization_id"}
)
_STORAGE = re.compile(r"data/([0-9A-Za-z]+)")
_FOLDERS = frozenset({"", "data/", ".data/"})


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive.

    Attributes:
        name: Its name.
        header: Where it begins, with its own header.
        size: Its bytes.
        stored: Whether they are stored as they are, neither compressed nor encrypted.
    """

    name: str
    header: int
    size: int
    stored: bool


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the bytes of a member are."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The first byte after them."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of an archive of torch.

    Attributes:
        pickle: Where the pickle is.
        byte_order: Where the word for the byte order is, or `None` in archives without one.
        storages: Where the storages are, by key.
    """

    pickle: Extent
    byte_order: Extent | None
    storages: Mapping[str, Extent]


def read_archive(stream: BinaryIO, size: int) -> Archive:
    """Return the members of an archive.

    Args:
        stream: The file.
        size: Its bytes.

    Raises:
        OtherFormError: It is a TorchScript archive, which contains code.
        DamagedError: It is not an archive, or not one as torch writes it.
    """
    members = members_of(stream, size, _refuse_script)
    names = list(members)
    prefix = _prefix(names)
    inside = {name.removeprefix(prefix): extent for name, extent in members.items()}
    if any(not name.startswith(prefix) for name in names) or not all(map(_is_known, inside)):
        strange = next(name for name in names if not name.startswith(prefix) or not _is_known(name[len(prefix) :]))
        message = f"its archive holds {strange[:60]!a}, which torch does not write"
        raise DamagedError(message)
    storages = {found[1]: extent for name, extent in inside.items() if (found := _STORAGE.fullmatch(name))}
    return Archive(inside["data.pkl"], inside.get("byteorder"), storages)


def members_of(stream: BinaryIO, size: int, look: Callable[[list[str]], None] | None = None) -> dict[str, Extent]:
    """Return where the bytes of each member of an archive are, by name, in their order.

    Args:
        stream: The file.
        size: Its bytes.
        look: Called with all names before anything else.

    Raises:
        DamagedError: It is not an archive, or not one of members that are stored one after another.
    """
    directory = _directory(stream, size)
    members = sorted(_members(stream, directory), key=lambda member: member.header)
    if look is not None:
        look([member.name for member in members])
    if not all(member.stored for member in members):
        message = "a member of its archive is compressed or encrypted, which torch never does"
        raise DamagedError(message)
    places: dict[str, Extent] = {}
    for member, extent in zip(members, _extents(stream, members, directory.start), strict=True):
        if member.name in places:
            message = f"the file {member.name[:60]!a} occurs twice in its archive"
            raise DamagedError(message)
        places[member.name] = extent
    return places


def _refuse_script(names: list[str]) -> None:
    """Refuse an archive of TorchScript, which torch would run.

    Raises:
        OtherFormError: It is one.
    """
    if any(name.rpartition("/")[2] in {"constants.pkl", "model.json"} or "/code/" in f"/{name}" for name in names):
        message = "the checkpoint is a TorchScript archive, not a flair model"
        raise OtherFormError(_NOT_ASSEMBLED, message)


def _prefix(names: list[str]) -> str:
    """Return the folder of all members. torch names it after the file that it wrote."""
    found = [name.removesuffix("data.pkl") for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(found) != 1 or found[0].count("/") > 1:
        message = "its archive does not hold one pickle"
        raise DamagedError(message)
    return found[0]


def _is_known(name: str) -> bool:
    return name in _SINGLE or name in _FOLDERS or _STORAGE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class _Directory:
    start: int
    size: int
    count: int


def _read(stream: BinaryIO, start: int, size: int) -> bytes:
    if start < 0:
        raise _no_archive()
    stream.seek(start)
    data = stream.read(size)
    if len(data) != size:
        raise _no_archive()
    return data


def _directory(stream: BinaryIO, size: int) -> _Directory:
    """Return where the directory is.

    Its record is at the end of the file, and the directory ends where the record begins.
    """
    at = size - _END.size
    signature, disk, first, here, count, length, start, comment = _END.unpack(_read(stream, at, _END.size))
    if signature != b"PK\x05\x06" or disk or first or comment or here != count:
        raise _no_archive()
    end = at
    if count == _FULL16 or _FULL32 in {length, start} or _is_located(stream, at):
        end, count, length, start = _directory64(stream, at)
    if start + length != end or count > _MOST_MEMBERS or count * _ENTRY.size > length:
        raise _no_archive()
    return _Directory(start, length, count)


def _is_located(stream: BinaryIO, at: int) -> bool:
    return at >= _LOCATOR.size and _read(stream, at - _LOCATOR.size, 4) == b"PK\x06\x07"


def _directory64(stream: BinaryIO, at: int) -> tuple[int, int, int, int]:
    """Return where the record of zip64 begins, and the count, length and start of the directory in it."""
    signature, disk, place, disks = _LOCATOR.unpack(_read(stream, at - _LOCATOR.size, _LOCATOR.size))
    if signature != b"PK\x06\x07" or disk or disks > 1 or place != at - _LOCATOR.size - _END64.size:
        raise _no_archive()
    signature, size, _, _, disk, first, here, count, length, start = _END64.unpack(_read(stream, place, _END64.size))
    if signature != b"PK\x06\x06" or size != _END64.size - 12 or disk or first or here != count:
        raise _no_archive()
    return place, count, length, start


def _members(stream: BinaryIO, directory: _Directory) -> Iterator[Member]:
    """Yield the members that the directory lists. It is read in one piece, because it is no longer than the file."""
    data = _read(stream, directory.start, directory.size)
    at = 0
    for _ in range(directory.count):
        if len(data) - at < _ENTRY.size:
            raise _no_archive()
        entry = _ENTRY.unpack_from(data, at)
        signature, _, _, flags, method, _, _, _, packed, size, name_size, extra_size, comment = entry[:13]
        disk, header = entry[13], entry[16]
        at += _ENTRY.size
        if signature != b"PK\x01\x02" or disk or comment or name_size > _LONGEST_NAME:
            raise _no_archive()
        if len(data) - at < name_size + extra_size:
            raise _no_archive()
        name, extra = data[at : at + name_size], data[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size
        size, packed, header = _wide(extra, (size, packed, header))
        stored = not flags & ~_FLAGS and not method and size == packed
        yield Member(_decoded(name), header, size, stored)
    if at != len(data):
        raise _no_archive()


def _decoded(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError as err:
        message = "a name in its archive is no UTF-8"
        raise DamagedError(message) from err
    if not text.isprintable() or "\\" in text or text.startswith("/") or ".." in text.split("/"):
        message = f"a name in its archive is {text[:60]!a}"
        raise DamagedError(message)
    return text


def _wide(extra: bytes, narrow: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return size, packed size and place, each from the extra field of zip64 if the record refers to it."""
    at, found = 0, b""
    while len(extra) - at >= _FIELD.size:
        kind, length = _FIELD.unpack_from(extra, at)
        at += _FIELD.size
        if kind == _ZIP64:
            found = extra[at : at + length]
        at += length
    numbers = list(narrow)
    for place, number in enumerate(narrow):
        if number == _FULL32:
            if len(found) < 8:  # noqa: PLR2004 - the bytes of one number
                raise _no_archive()
            numbers[place], found = int.from_bytes(found[:8], "little"), found[8:]
    return numbers[0], numbers[1], numbers[2]


def _extents(stream: BinaryIO, members: list[Member], end: int) -> list[Extent]:
    """Return where the bytes of members are, which are in order: each ends before the next begins.

    Raises:
        DamagedError: A header differs from the directory, two members overlap, or there are bytes before the first one.
    """
    extents = []
    free = 0
    for member in members:
        if member.header < free or (free == 0 and member.header) or member.header + member.size > end:
            message = "the members of its archive lie over each other, or elsewhere than torch puts them"
            raise DamagedError(message)
        header = _LOCAL.unpack(_read(stream, member.header, _LOCAL.size))
        signature, _, flags, method, _, _, _, packed, size, name_size, extra_size = header
        name = _read(stream, member.header + _LOCAL.size, min(name_size, _LONGEST_NAME))
        told = {packed, size} - {0, _FULL32, member.size}  # 0 if the sizes are after the data
        if signature != BEGINNING or flags & ~_FLAGS or method or told or name != member.name.encode():
            message = f"the member {member.name[:60]!a} of its archive is not what the directory says"
            raise DamagedError(message)
        extent = Extent(member.header + _LOCAL.size + name_size + extra_size, member.size)
        free = extent.end
        if free > end:
            raise _no_archive()
        extents.append(extent)
    return extents


def _no_archive() -> DamagedError:
    return DamagedError("it is no zip archive as torch writes one, or only a part of one")
