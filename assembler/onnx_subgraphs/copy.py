"""Private copies of exported subgraphs, with their external data.

onnx and ONNX Runtime find external data by name, in the folder of the model. So the copies have names, in a folder that
belongs to this process alone. The folder is removed when the copy is released.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.core.regular_files import open_inside, open_regular
from assembler.onnx_file.allowance import Allowance
from assembler.onnx_file.external_data import external_data
from assembler.onnx_file.header import header_problem
from assembler.onnx_subgraphs.bounds import require_bounded_source
from assembler.sources.opened_file import MOST_BYTES, copied, no_room, require_digest, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.forms.source import Source
    from assembler.onnx_file.external_data import ExternalData

#: How often all bytes of external data may be used: tied weights use the same bytes about twice.
_MOST_SHARED = 8
_HINT = "external data are regular files beside the model, or below its folder"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class OnnxCopy:
    """An exported subgraph, copied.

    Attributes:
        path: The copy of the model, with its external data where it looks for them. It lives as long as this value.
        digest: The SHA-256 of the model file, or of the digests of all files if it has external data.
    """

    path: Path
    digest: str


def copy_onnx(source: Source, path: Path) -> OnnxCopy:
    """Copy an exported subgraph, and compare its digest before onnx sees it.

    Raises:
        SourceError: A file cannot be read (R001), the spec pins another digest (R002), external data cannot be used
            (R005), it is not an ONNX model (R006), a file changed meanwhile or there is no space (R013), or it expands
            to more than can be run (R014).
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="assemble-"))
    except OSError as err:
        raise no_room(source, err) from err
    try:
        result = OnnxCopy(folder / path.name, _copied_all(source, path, folder))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(result, _remove, folder, os.getpid())
    return result


def _remove(folder: Path, owner: int) -> None:
    """Remove the folder of a copy, but not on behalf of a fork, whose parent still uses it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _copied_all(source: Source, path: Path, folder: Path) -> str:
    """Copy the model and its data, and return their digest: a line for each name, if there is data."""
    digests = {path.name: _copied(source, path, folder / path.name)}
    named = _external_data(source, folder / path.name)
    _require_usable(source, path, path.parent, named)
    names = sorted({data.location for data in named})
    for name in names:
        place = str(PurePosixPath(name))
        if place not in digests:
            digests[place] = _copied(source, path, folder / place, name)
    _require_usable(source, path, folder, named)
    _require_proportion(source, path, folder, named)
    lines = [digests[path.name], *(digests[str(PurePosixPath(name))] for name in names)]
    digest = (
        lines[0] if len(lines) == 1 else hashlib.sha256("".join(f"{each}\n" for each in lines).encode()).hexdigest()
    )
    require_digest(source, digest)
    return digest


def _copied(source: Source, path: Path, target: Path, data: str | None = None) -> str:
    place = path if data is None else path.parent / data
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = target.open("xb")
    except OSError as err:
        raise no_room(source, err) from err
    try:
        opened = (
            open_regular(path, MOST_BYTES) if data is None else open_inside(path.parent, data, MOST_BYTES, links=False)
        )
        with opened as stream:
            digest = copied(stream, copy)
        copy.close()
    except OSError as err:
        with suppress(OSError):  # what is in its buffer cannot be written either
            copy.close()
        raise unreadable(source, place, err) from err
    return digest


def _external_data(source: Source, copy: Path) -> list[ExternalData]:
    try:
        with copy.open("rb") as stream:
            require_bounded_source(source, copy, stream)
            return external_data(stream, Allowance())
    except ValueError as err:
        wrong = header_problem(err, copy.name)
        message = f"source '{source.name}': {wrong.file} {wrong.message}"
        raise SourceError(Problem.at(source.mark, wrong.code, message)) from err


def _require_usable(source: Source, path: Path, folder: Path, named: Sequence[ExternalData]) -> None:
    """Refuse external data that is missing, is outside the folder, or is shorter than a tensor says."""
    for data in sorted(set(named), key=lambda data: (data.location, data.offset, data.length or 0)):
        try:
            data.size_in(folder, path.name)
        except OSError as err:
            message = f"source '{source.name}': the external data '{data.location}' of {path.name} is missing"
            raise SourceError(
                Problem.at(source.mark, "R005", message, "external data is expected beside the model")
            ) from err
        except ValueError as err:
            raise SourceError(Problem.at(source.mark, "R005", f"source '{source.name}': {err}", _HINT)) from err


def _require_proportion(source: Source, path: Path, folder: Path, named: Sequence[ExternalData]) -> None:
    """Refuse tensors that share the same bytes too often, because each gets its own in memory."""
    sizes = {name: (folder / name).stat().st_size for name in {data.location for data in named}}
    wanted = sum(sizes[data.location] - data.offset if data.length is None else data.length for data in named)
    if wanted > _MOST_SHARED * sum(sizes.values()):
        message = f"source '{source.name}': the tensors of {path.name} want {wanted} bytes of external data, "
        message += f"which has {sum(sizes.values())}"
        raise SourceError(Problem.at(source.mark, "R005", message, "export it so that no bytes belong to many tensors"))
