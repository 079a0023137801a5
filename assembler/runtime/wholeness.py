"""Checks that a model file is whole, that is unchanged since it was written, by the digests that it carries.

A digest reveals damage, by a bad disk or an incomplete copy. It does not tell who wrote the file, because anybody who
changes a model can also write a new digest.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.onnx_file.contents import CONTENT, STRUCTURE, Contents, read_contents
from assembler.onnx_file.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HINT = "copy it again or build it again; verify=False (--no-verify) loads it unchecked"
#: Entries of models that the assembler itself wrote, all of which carry a digest.
_WRITTEN = ("assembler.proof", "assembler.parts")
#: Fewer bytes are hashed before the model is loaded, more of them while it is loaded.
_BESIDE = 1 << 22


def require_whole(file: str) -> None:
    """Refuse a model file that has changed since it was written.

    Raises:
        ModelError: M021 it is damaged, M022 it carries no digest, or one that cannot be made here.
    """
    with watched(file):
        pass


@contextmanager
def watched(file: str) -> Iterator[None]:
    """Check a model file around its loading: its structure before, its large weights meanwhile.

    Only the structure decides how much time and memory a load takes. Nothing is computed with the weights before the
    `with` block has ended without an error. A file without the assembler's metadata is not checked, because it is
    refused elsewhere.

    Raises:
        ModelError: M021 it is damaged, M022 it carries no digest, or one that cannot be made here.
    """
    if file.endswith(".ort"):
        message = "the model cannot be checked: it is in ONNX Runtime's own format, whose digest nobody wrote"
        raise ModelError(Problem("M022", message, _HINT, file))
    contents = _read(file)
    own = contents.own
    if CONTENT not in own:
        if any(key in own for key in _WRITTEN):
            message = "the model carries no digest of its contents, so nobody can tell whether it is whole"
            raise ModelError(Problem("M022", message, _HINT, file))
        yield
        return
    if STRUCTURE in own:
        _compare(contents, file, whole=False)
    if STRUCTURE not in own or contents.size < _BESIDE:
        _compare(contents, file, whole=True)
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(_compare, contents, file, whole=True)
        try:
            yield
        finally:  # an error of a load with damaged weights is not reported separately
            checked.result()


def _read(file: str) -> Contents:
    try:
        return read_contents(Path(file))
    except (WireError, UnicodeDecodeError) as err:
        hint = "expected is an .onnx file that `assemble` wrote"
        raise ModelError(Problem("M011", f"the file is no ONNX model: {err}", hint, file)) from err
    except OSError as err:
        raise ModelError(Problem("M010", f"cannot read the model: {err.strerror or err}", file=file)) from err


def _compare(contents: Contents, file: str, *, whole: bool) -> None:
    key, what = (CONTENT, "weights, graph or metadata") if whole else (STRUCTURE, "graph or metadata")
    try:
        found = contents.digest(whole=whole)
    except (WireError, UnicodeDecodeError, ValueError, OSError) as err:
        raise ModelError(Problem("M022", f"the model cannot be checked: {err}", _HINT, file)) from err
    try:
        wanted: object = json.loads(contents.own[key])
    except (ValueError, RecursionError):
        wanted = None
    if found != wanted:
        message = f"the file is damaged: its {what} are not those that were written"
        raise ModelError(Problem("M021", message, _HINT, file))
