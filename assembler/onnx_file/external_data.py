"""Finds the tensors of an ONNX file whose bytes are in other files, without onnx, and checks the names of these files.

A tensor can be in far more places than among the initializers of the graph: in attributes of nodes, in branches and
loops, in functions, in sparse tensors. Which of these places onnx and ONNX Runtime look at depends on the version, so
all of them count here. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assembler.core.file_forms import HEAD, POINTER, file_form
from assembler.core.regular_files import OutsideError, open_inside, size_inside
from assembler.onnx_file.allowance import CountedFile
from assembler.onnx_file.messages import PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assembler.onnx_file.allowance import Allowance
    from assembler.onnx_file.wire import Field

#: TensorProto.external_data, and key and value of its entries.
_EXTERNAL_DATA, _KEY, _VALUE = 13, 1, 2
#: How deep messages may be nested, as in protobuf itself.
_DEEPEST = 100
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExternalData:
    """The place of a tensor's bytes in another file.

    Attributes:
        location: The file, relative to the model's folder.
        offset: Where they begin.
        length: How many there are; `None` for all that follow.
    """

    location: str
    offset: int = 0
    length: int | None = None

    @classmethod
    def of(cls, entries: dict[str, str]) -> ExternalData:
        """Return what the entries of a tensor say.

        Raises:
            ValueError: They name no file, or a place in it that is not a number.
        """
        for key in ("offset", "length"):
            if key in entries and not _NUMBER.fullmatch(entries[key]):
                message = f"the {key} of its external data, {entries[key]!r:.40}, is not a number"
                raise ValueError(message)
        if "location" not in entries:
            message = "its external data has no location"
            raise ValueError(message)
        length = int(entries["length"]) if "length" in entries else None
        return cls(entries["location"], int(entries.get("offset", 0)), length)

    def size_in(self, folder: Path, model: str) -> int:
        """Return the size of the file, without opening it.

        Args:
            folder: The model's folder.
            model: The name of the model's file, for the message.

        Raises:
            OSError: It is not there.
            ValueError: It is not a regular file below the folder, is reached by a link, or is shorter than the tensor
                says.
        """
        what = f"the external data {self.location[:200]!r} of {model}"
        if (wrong := self._misnamed()) is not None:
            message = f"{what} {wrong}"
            raise ValueError(message)
        try:
            size = size_inside(folder, self.location)
        except OutsideError as err:
            message = f"{what} leaves its folder"
            raise ValueError(message) from err
        except OSError as err:
            if err.errno == errno.ENOENT:
                raise
            message = f"{what} cannot be used: {err.strerror}"
            raise ValueError(message) from err
        end = self.offset + (self.length or 0)
        if end > size:
            if self._is_pointer(folder):
                message = f"{what} is a git-lfs pointer, and not the data: 'git lfs pull' fetches it"
                raise ValueError(message)
            message = f"{what} has {size} bytes, but a tensor needs those from {self.offset} to {end}"
            raise ValueError(message)
        return size

    def _is_pointer(self, folder: Path) -> bool:
        try:
            with open_inside(folder, self.location, links=False) as stream:
                return file_form(stream.read(HEAD)) == POINTER
        except OSError:
            return False

    def _misnamed(self) -> str | None:
        """Return what is wrong with the location, which has to name the same file below the model on every system."""
        drive = re.match(r"[A-Za-z]:", self.location)
        if not self.location or self.location.startswith(("/", "\\")) or drive:
            return "leaves its folder"
        if "\\" in self.location or not self.location.isprintable():
            return "has a name that differs between systems"
        return "leaves its folder" if ".." in self.location.split("/") else None


def external_data(stream: BinaryIO, allowance: Allowance) -> list[ExternalData]:
    """Return the external data of each tensor that has any.

    Raises:
        ValueError: The file is damaged, or an entry is.
    """
    file = CountedFile(stream, allowance)
    return [ExternalData.of(entries) for entries in _entries(file, "ModelProto", file.whole, 0)]


def _entries(file: CountedFile, message: str, field: Field, depth: int) -> Iterator[dict[str, str]]:
    if depth > _DEEPEST:
        problem = f"it is nested deeper than {_DEEPEST} levels"
        raise ValueError(problem)
    if message == "TensorProto":
        entries = [part for part in file.fields(field) if part.number == _EXTERNAL_DATA]
        if entries:
            pairs = ({part.number: file.text(part) for part in file.fields(e)} for e in entries)
            yield {pair.get(_KEY, ""): pair.get(_VALUE, "") for pair in pairs}
        return
    inner = PATHS[message]
    for part in file.fields(field):
        if part.number in inner:
            yield from _entries(file, inner[part.number], part, depth + 1)
