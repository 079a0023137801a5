"""Reads torch checkpoints without letting them run code, unless they are trusted.

A checkpoint is a pickle, and a pickle may call anything that it can name. flair's own loader reads every one of them
(`weights_only=False`, file_utils.py 385). A list of allowed names is not enough either, because the pickle can change
the allowed objects for the rest of the process. So `checkpoint` reads the form that flair writes, on our own machine
that calls nothing. Only trusted files go through torch.
"""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING, BinaryIO

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.flair_checkpoints.pickles import (
    NotPlainError,
    OtherFormError,
    RefusalError,
    named_classes,
    read_checkpoint,
)

if TYPE_CHECKING:
    from assembler.forms.source import Source


def load_checkpoint(source: Source, stream: BinaryIO, name: str, *, trust: bool) -> object:
    """Return what a checkpoint holds.

    Args:
        source: The source, for problems.
        stream: Its file, open for reading, whose digest was already compared. It must be able to seek.
        name: The name of the file, for problems.
        trust: Whether a checkpoint that is not plain data may be read too. It can then run any code.

    Returns:
        Plain values of Python's own types, torch's tensors and flair's dictionaries; or the objects of a trusted file.

    Raises:
        SourceError: It names something that is not allowed (R003), has a form that is not read (R005, R006), or is
            damaged (R006).
    """
    from assembler.flair_checkpoints.rebuilding import rebuilt

    try:
        return rebuilt(read_checkpoint(stream), stream.seek(0, os.SEEK_END))
    except OtherFormError as err:
        raise SourceError(Problem.at(source.mark, err.code, f"source '{source.name}': {err}", err.hint)) from err
    except RefusalError as err:
        if not trust:
            raise _refused(source, stream, name, err) from err
    return _load_trusted(source, stream, name)


def _refused(source: Source, stream: BinaryIO, name: str, err: RefusalError) -> SourceError:
    """Return why a file is not read. Nobody is advised to run a pickle whose model would be refused anyway."""
    from assembler.flair_checkpoints.models.model_registry import refused_by_name

    if not isinstance(err, NotPlainError):
        return damaged(source, f"{name} is not a checkpoint that can be read: {err}")
    reason = refused_by_name(named_classes(stream))
    if reason is not None:
        return refuse(source, *reason)
    message = f"source '{source.name}': the checkpoint names {err.name}, which is not on the list of plain data"
    hint = "checkpoints of objects, as older flair and a plain torch.save write them, can run any code while they are "
    hint += "read: `assemble convert` makes plain data of one, or pass --trust if you know where it comes from"
    return SourceError(Problem.at(source.mark, "R003", message, hint))


def _load_trusted(source: Source, stream: BinaryIO, name: str) -> object:
    import torch

    from assembler.flair_checkpoints import legacy_tables

    stream.seek(0)
    try:
        records = torch._C.PyTorchFileReader(stream).get_all_records()  # noqa: SLF001 - what torch.load asks too
    except (RuntimeError, UnicodeDecodeError):  # not a zip archive, or a damaged one; its names may not be UTF-8
        records = []
    if "constants.pkl" in records:  # torch.load hands it to torch.jit.load, which runs its code
        raise refuse(source, "the checkpoint is a TorchScript archive, not a flair model")
    stream.seek(0)
    try:
        return torch.load(stream, map_location="cpu", weights_only=False, pickle_module=legacy_tables)
    except ModuleNotFoundError as err:
        raise _lacking(source, err) from err
    except (ImportError, *_DAMAGED) as err:
        reason = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise damaged(source, f"{name} is not a checkpoint that can be read: {reason}") from err


def _lacking(source: Source, err: ModuleNotFoundError) -> SourceError:
    """Return the error for objects of a package that is not installed (R008)."""
    package = (err.name or "").partition(".")[0]
    message = f"source '{source.name}': the checkpoint holds objects of '{err.name}', of the package '{package}'"
    return SourceError(Problem.at(source.mark, "R008", f"{message}, which is not installed", f"pip install {package}"))


#: The errors of torch and pickle for a file that is not a checkpoint, or only a part of one.
_DAMAGED = (
    pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError, AttributeError, TypeError, IndexError,
    OSError, zipfile.BadZipFile, UnicodeDecodeError, MemoryError, OverflowError, AssertionError, struct.error,
)  # fmt: skip


def damaged(source: Source, message: str) -> SourceError:
    """Return the error for a file that lacks the content of a checkpoint (R006)."""
    return SourceError(Problem.at(source.mark, "R006", f"source '{source.name}': {message}"))


def refuse(source: Source, message: str, hint: str | None = None) -> SourceError:
    """Return the error for a model, or an option of one, that cannot be assembled (R005)."""
    return SourceError(Problem.at(source.mark, "R005", f"source '{source.name}': {message}", hint))
