"""Reads checkpoints of torch, in its zip form and in the older form: plain values, tensors, and nothing that runs.

First the pickle is read, which describes tensors. Then it is checked that the file holds their elements. Only then is
memory requested. A name in a pickle is a token (`rebuilds`), and the pickle runs on our own machine (`machine`).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from assembler.core.file_forms import ZIP, file_form
from assembler.flair_checkpoints.pickles.archive import BEGINNING, Extent, read_archive
from assembler.flair_checkpoints.pickles.cursor import Cursor
from assembler.flair_checkpoints.pickles.machine import Machine
from assembler.flair_checkpoints.pickles.operations import run
from assembler.flair_checkpoints.pickles.rejections import DamagedError, OtherFormError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.flair_checkpoints.pickles.plain_values import Bytes, Storage, Tensor

#: torch's own numbers, at the beginning of the form before zip (serialization.py: MAGIC_NUMBER, PROTOCOL_VERSION).
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
#: How often the tensors of a file may share their memory: the tasks of one model each hold its embeddings.
_MOST_SHARED = 32
_ANOTHER_FORMAT = "R006"
_TAR_BLOCK = 512
_TAR_SUM = slice(148, 156)


def read_checkpoint(stream: BinaryIO) -> object:
    """Return the value in a checkpoint, read from its first byte on.

    Args:
        stream: The file, open for reading, which must be able to seek. It is only read.

    Returns:
        A plain value; `values` has the classes that represent torch's and flair's objects.

    Raises:
        NotPlainError: Its pickle names something that is not plain data.
        OtherFormError: It has a form that is not read.
        DamagedError: It is not a checkpoint, is incomplete, or declares more than it holds.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(_TAR_BLOCK)
    refuse_tar(head)
    _refuse_other_forms(head)
    if head.startswith(BEGINNING):
        return _from_archive(stream, size)
    return _from_old_form(stream, size)


def refuse_tar(head: bytes) -> None:
    """Refuse the oldest form of torch, a tar archive, because unpacking one can make links, devices and file modes.

    Raises:
        OtherFormError: The block is the first one of a tar archive.
    """
    if len(head) < _TAR_BLOCK:
        return
    try:
        said = int(head[_TAR_SUM].strip(b"\0 ") or b"-1", 8)
    except ValueError:
        said = -1
    blank = head[: _TAR_SUM.start] + b" " * 8 + head[_TAR_SUM.stop :]
    if head[257:262] == b"ustar" or said == sum(blank):
        message = "the checkpoint is a tar archive, the form of torch before 0.4, which is not read"
        raise OtherFormError(_ANOTHER_FORMAT, message, "flair 0.4 and later write other forms: save the model anew")


def _refuse_other_forms(head: bytes) -> None:
    """Refuse a file that is no checkpoint, by its first bytes, and say what it is.

    Raises:
        OtherFormError: It is one.
    """
    form = file_form(head)
    if form is not None and form != ZIP:  # the form that torch writes is a zip archive
        raise OtherFormError(_ANOTHER_FORMAT, f"the checkpoint is {form.name}, not a flair model", form.hint)


def _from_archive(stream: BinaryIO, size: int) -> object:
    archive = read_archive(stream, size)
    machine = Machine(Cursor(stream, archive.pickle.start, archive.pickle.end))
    value = run(machine)
    swapped = archive.byte_order is not None and _swapped(stream, archive.byte_order)
    for key, storage in machine.storages.items():
        extent = archive.storages.get(key)
        if extent is None or extent.size != storage.size:
            held = "nothing" if extent is None else f"{extent.size} bytes"
            message = f"its pickle declares {storage.size} bytes for the storage '{key}', of which it holds {held}"
            raise DamagedError(message)
    _check_shared(machine.tensors, machine.storages)
    contents = {}
    for key, storage in machine.storages.items():
        extent = archive.storages[key]
        contents[key] = _content(Cursor(stream, extent.start, extent.end), storage, swapped=swapped)
    _fill(machine.tensors, contents)
    return value


def _swapped(stream: BinaryIO, extent: Extent) -> bool:
    """Return whether elements have another byte order than this machine."""
    word = Cursor(stream, extent.start, extent.end).take(min(extent.size, len("little") + 1))
    if word not in {b"little", b"big"}:
        message = "it does not say in which order its bytes are"
        raise DamagedError(message)
    return word.decode() != sys.byteorder


def _from_old_form(stream: BinaryIO, size: int) -> object:
    """Read the pickles of a number, a version, the writer's machine, the value and the keys; storages follow."""
    cursor = Cursor(stream, 0, size)
    numbers = [_plain(cursor), _plain(cursor)]
    if [type(number) for number in numbers] != [int, int] or numbers != [_MAGIC, _VERSION]:
        message = "it has neither of torch's two forms"
        raise DamagedError(message)
    _plain(cursor)
    machine = Machine(cursor)
    value = run(machine)
    keys = _plain(cursor)
    if type(keys) is not list or not all(type(key) is str for key in keys) or len(set(keys)) < len(keys):
        message = "the list of its storages is none"
        raise DamagedError(message)
    if set(keys) != machine.storages.keys():
        message = "its pickle declares other storages than those that it holds"
        raise DamagedError(message)
    _check_shared(machine.tensors, machine.storages)
    contents = {}
    for key in keys:
        storage = machine.storages[key]
        if int.from_bytes(cursor.take(8), "little") != storage.count:
            message = f"the storage '{key}' has another size than its pickle declares"
            raise DamagedError(message)
        contents[key] = _content(cursor, storage, swapped=sys.byteorder != "little")
    _fill(machine.tensors, contents)
    return value


def _plain(cursor: Cursor) -> object:
    """Return the value of a pickle that has no tensors."""
    machine = Machine(cursor)
    value = run(machine)
    if machine.storages:
        message = "it has a tensor where torch writes none"
        raise DamagedError(message)
    return value


def _check_shared(tensors: list[Tensor], storages: Mapping[str, Storage]) -> None:
    """Refuse tensors that share the same memory too often, because a copy needs it for each.

    Raises:
        DamagedError: They are larger than the file allows.
    """
    taken, held = sum(tensor.size for tensor in tensors), sum(storage.size for storage in storages.values())
    if taken > _MOST_SHARED * held:
        message = f"the weights of the checkpoint are of {taken} bytes, of which it holds {held}"
        raise DamagedError(message)


def _content(cursor: Cursor, storage: Storage, *, swapped: bool) -> Bytes:
    """Return the bytes of a storage, in this machine's order."""
    if storage.size > cursor.remaining:
        message = f"the storage '{storage.key}' ends after the file"
        raise DamagedError(message)
    content = np.empty(storage.size, np.uint8)
    cursor.into(content.data)
    held = content.view(storage.element.held)
    if swapped:
        held.byteswap(inplace=True)
    if storage.element.name == "bool":
        content[...] = content != 0  # a byte other than 0 and 1 is neither true nor false
    return content


def _fill(tensors: list[Tensor], contents: Mapping[str, Bytes]) -> None:
    for tensor in tensors:
        tensor.look_at(contents[tensor.storage.key])
