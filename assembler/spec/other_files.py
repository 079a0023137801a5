"""Files that are passed as a spec but are checkpoints or models."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from assembler.core.problems import Problem

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02"
#: The tag of a model's first field, `ir_version` (onnx.proto: 1, a varint). No text begins with this character.
_IR_VERSION = b"\x08"


def other_file(data: bytes, file: str) -> Problem | None:
    """Return what a file is (Y002) if it is not a spec, or `None` if it may be one.

    Args:
        data: The beginning of the file.
        file: Its name.
    """
    named, sort = shlex.quote(file), sort_of(data, file)
    if sort == "checkpoint":
        hint = f"`assemble init {named} -o {shlex.quote(f'{Path(file).stem}.yaml')}` writes its spec"
        return Problem("Y002", "is no spec but a checkpoint", hint, file)
    if sort == "model":
        hint = f"`assemble inspect {named}` shows what is in it, `assemble tag {named}` runs it"
        return Problem("Y002", "is no spec but an ONNX model", hint, file)
    return None


def sort_of(data: bytes, file: str) -> Literal["checkpoint", "model"] | None:
    """Return what a file is, or `None` if it may be a spec.

    Args:
        data: The beginning of the file.
        file: Its name. If the content does not decide, its suffix does, unless the content is text.
    """
    suffix = Path(file).suffix.lower() if b"\0" in data else ""
    if data.startswith((_ZIP, _PICKLE)) or suffix in {".pt", ".pth", ".bin"}:
        return "checkpoint"
    return "model" if is_model(data) or suffix == ".onnx" else None


def is_model(data: bytes) -> bool:
    """Return whether a file that begins so is an ONNX model."""
    return data.startswith(_IR_VERSION)
