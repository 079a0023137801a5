"""Knows files of other formats by their first bytes, so that a file that is not read is called what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Collection

#: So many bytes tell.
HEAD = 64
_POINTER = b"version https://git-lfs.github.com/spec/"
_FETCH = "it names a file that git-lfs keeps elsewhere: 'git lfs pull' fetches it"
_EXPORT = "export the model to ONNX where it was made"


@dataclass(frozen=True, slots=True)
class FileForm:
    """A format.

    Attributes:
        name: What a file of it is, in words.
        hint: What helps somebody who has named one as a source.
    """

    name: str
    hint: str


POINTER = FileForm("a git-lfs pointer", _FETCH)
ZIP = FileForm("a zip archive", "unpack it, or export the model to ONNX if it is a checkpoint of PyTorch")
_SAFETENSORS = FileForm("a safetensors file", "it holds weights without a graph: export the model to ONNX")
#: What begins with what, from which byte on. Flatbuffers begin with the place of their root, a small number.
_BEGINNINGS = (
    (0, _POINTER, POINTER),
    (2, b"\0\0TFL3", FileForm("a TFLite model", f"{_EXPORT}, or convert it by tf2onnx")),
    (2, b"\0\0ORTM", FileForm("a model of ONNX Runtime's own format (.ort)", "name the ONNX file that it was made of")),
    (0, b"PK\x03\x04", ZIP),
    (0, b"\x89HDF\r\n\x1a\n", FileForm("an HDF5 file, as Keras writes them", _EXPORT)),
    (0, b"GGUF", FileForm("a GGUF file", _EXPORT)),
    (0, b"\x1f\x8b", FileForm("a gzip archive", "unpack it")),
    (0, b"<?xml", FileForm("an XML file, as OpenVINO writes beside its weights", _EXPORT)),
    (0, b"<!DOCTYPE html", FileForm("a web page", "download the file itself")),
)


class OtherFileFormError(ValueError):
    """A file has another format than it should have."""

    def __init__(self, form: FileForm) -> None:
        """Keep the format."""
        super().__init__(f"it is {form.name}")
        self.hint = form.hint


def file_form(head: bytes) -> FileForm | None:
    """Return the format that the first bytes of a file tell, or `None` if they tell none of those known here."""
    for start, beginning, form in _BEGINNINGS:
        if head[start : start + len(beginning)] == beginning:
            return form
    # the length of a JSON header, and the header
    if head[8:10] == b'{"' and 0 < int.from_bytes(head[:8], "little") < 1 << 32:
        return _SAFETENSORS
    return None


def refuse_other_forms(stream: BinaryIO, fits: Collection[FileForm] = ()) -> None:
    """Refuse a file that has a format known here.

    Args:
        stream: The file, which is left at its beginning.
        fits: The formats that it may have.

    Raises:
        OSError: It cannot be read.
        OtherFileFormError: It has another one.
    """
    stream.seek(0)
    form = file_form(stream.read(HEAD))
    stream.seek(0)
    if form is not None and form not in fits:
        raise OtherFileFormError(form)


def hint_of(err: ValueError) -> str | None:
    """Return what helps against an error, where it is of this module."""
    return err.hint if isinstance(err, OtherFileFormError) else None
