"""The file of a model: the targets that are refused before any work, and the system's errors while it is written."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.core.regular_files import is_utf8
from assembler.forms.registry import form_of, reading
from assembler.parts.registry import kinds
from assembler.spec.files import parameter_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.spec.stack_spec import Spec

_OTHER = "choose another file with -o"


def target_of(output: Path, spec: Spec) -> Path:
    """Return the file that is written for an output; for a link, its target.

    Raises:
        ModelError: It cannot be written, or is a file that the build reads (M009).
    """
    try:
        target = Path(os.path.realpath(output)) if output.is_symlink() else output
        require_free(target, spec)
    except (OSError, ValueError) as err:
        reason = (err.strerror or str(err)) if isinstance(err, OSError) else "no file can have this name"
        raise ModelError(Problem("M009", f"cannot be written: {reason}", _OTHER, str(output))) from err
    if not is_utf8(str(target)):
        message = "cannot be written: the name is not UTF-8, but ONNX Runtime opens only UTF-8"
        raise ModelError(Problem("M009", message, _OTHER, str(target)))
    return target


def require_free(target: Path, spec: Spec) -> None:
    """Refuse a target that is not a separate file.

    Raises:
        ModelError: It is not a file, or is a file that the build reads (M009).
    """
    problem = None
    if target.is_dir():
        problem = "is a folder"
    elif target.is_symlink():
        problem = "is a link in a circle of links"
    elif not target.parent.is_dir():
        problem = f"cannot be written: there is no folder {target.parent}"
    elif target.exists() and not target.is_file():
        problem = "is no regular file"
    elif target.exists():
        problem = next((what for path, what in _read_files(spec) if path.exists() and target.samefile(path)), None)
    if problem is not None:
        raise ModelError(Problem("M009", problem, _OTHER, str(target)))


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's errors on a written file into a problem.

    Raises:
        ModelError: It cannot be written (M009).
    """
    try:
        yield
    except OSError as err:
        hint = f"make room, or {_OTHER}" if err.errno == errno.ENOSPC else _OTHER
        raise ModelError(Problem("M009", f"cannot be written: {err.strerror or err}", hint, str(target))) from err


def _read_files(spec: Spec) -> Iterator[tuple[Path, str]]:
    """Yield every file that a build reads, and what it is."""
    yield Path(spec.document.file), "is the spec itself"
    if spec.proof.sentences is not None:
        yield spec.folder / spec.proof.sentences, "holds the sentences of the proof"
    if spec.proof.gold is not None:
        yield spec.folder / spec.proof.gold, "holds the gold text of the proof"
    if spec.proof.trials.cases is not None:
        yield spec.folder / spec.proof.trials.cases, "holds the cases of the proof"
    for file in parameter_files(spec, kinds()):
        yield spec.folder / file.location, f"is {file.what}"
    for source in spec.sources.values():
        path = spec.folder / source.location
        yield path, "is a source of the spec"
        with reading(source):
            companions = [*form_of(source).companions(path)]
        for companion in companions:
            yield companion, f"holds the weights of the source '{source.name}'"
