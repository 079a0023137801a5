"""Reads torch checkpoints without letting them run code.

A checkpoint is a pickle, and a pickle may call anything it can name. flair's own loader reads every one of them
(`weights_only=False`, file_utils.py 385), and torch's restricted loader reads none of flair's, because they are saved
with protocol 4 (nn/model.py 129). So the names that a pickle may use are listed here.
"""

from __future__ import annotations

import importlib
import io
import pathlib
import pickle
import struct
import types
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO

from assembler.errors import SourceError
from assembler.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.spec.model import Source

#: What checkpoints of flair 0.12 and later name: plain containers, tensors and flair's dictionary.
ALLOWED = frozenset(
    {
        ("_io", "BytesIO"),
        ("builtins", "int"),
        ("builtins", "set"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("flair.data", "Dictionary"),
        ("pathlib", "PosixPath"),
        ("pathlib", "WindowsPath"),
        ("pathlib", "PurePosixPath"),
        ("torch", "BFloat16Storage"),
        ("torch", "BoolStorage"),
        ("torch", "DoubleStorage"),
        ("torch", "FloatStorage"),
        ("torch", "HalfStorage"),
        ("torch", "IntStorage"),
        ("torch", "LongStorage"),
        ("torch", "Size"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch.torch_version", "TorchVersion"),
    }
)


class NotAllowedError(pickle.UnpicklingError):
    """A pickle names something that is not in `ALLOWED`."""

    def __init__(self, module: str, name: str) -> None:
        """Keep the name."""
        super().__init__(f"{module}.{name}")
        self.name = f"{module}.{name}"


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise NotAllowedError(module, name)
        if module == "pathlib":  # a path of the trainer's machine, which this machine's system may not be able to make
            return _path_text
        return getattr(importlib.import_module(module), name)


def _path_text(*parts: str) -> str:
    return str(pathlib.PurePosixPath(*parts))


def _restricted_pickle() -> types.ModuleType:
    """Return a stand-in for the pickle module, as `torch.load` takes one."""

    def load(stream: BinaryIO, **options: Any) -> object:  # noqa: ANN401 - pickle's own signature
        return _Unpickler(stream, **options).load()

    def loads(data: bytes, **options: Any) -> object:  # noqa: ANN401 - pickle's own signature
        return _Unpickler(io.BytesIO(data), **options).load()

    module = types.ModuleType("restricted_pickle")
    vars(module).update({"Unpickler": _Unpickler, "load": load, "loads": loads})
    return module


def load_checkpoint(source: Source, path: Path, *, trust: bool) -> object:
    """Return what a checkpoint holds.

    Args:
        source: The source, for problems.
        path: Its file, whose digest has been compared.
        trust: Whether a checkpoint that names more than `ALLOWED` may be read too. It can then run any code.

    Raises:
        SourceError: It names what is not allowed (R003), or is no torch checkpoint (R006).
    """
    import torch

    _refuse_torchscript(source, path)
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_restricted_pickle())
    except NotAllowedError as err:
        if not trust:
            message = f"source '{source.name}': the checkpoint names {err.name}, which is not on the list of plain data"
            hint = "older flair checkpoints are object pickles, which can run any code while they are read; "
            hint += "if you know where the file comes from, pass --trust"
            raise SourceError(Problem.at(source.mark, "R003", message, hint)) from err
    except _DAMAGED as err:
        raise _damaged(source, path, err) from err
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except (ImportError, *_DAMAGED) as err:
        raise _damaged(source, path, err) from err


def _refuse_torchscript(source: Source, path: Path) -> None:
    """Refuse what `torch.load` would hand to `torch.jit.load`.

    A TorchScript archive runs its own code, which can write files.

    Raises:
        SourceError: It is one (R005).
    """
    import torch

    try:
        records = torch._C.PyTorchFileReader(str(path)).get_all_records()  # noqa: SLF001 - what torch.load asks too
    except (RuntimeError, UnicodeDecodeError):  # no zip archive, or a damaged one; its names may be no UTF-8
        return
    if "constants.pkl" in records:
        message = f"source '{source.name}': the checkpoint is a TorchScript archive, not a flair model"
        raise SourceError(Problem.at(source.mark, "R005", message))


#: What torch and pickle raise on a file that is no checkpoint, or only a part of one.
_DAMAGED = (
    pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError, AttributeError, TypeError, IndexError,
    OSError, zipfile.BadZipFile, UnicodeDecodeError, MemoryError, OverflowError, AssertionError, struct.error,
)  # fmt: skip


def _damaged(source: Source, path: Path, err: BaseException) -> SourceError:
    reason = str(err).splitlines()[0] if str(err) else type(err).__name__
    return damaged(source, f"{path.name} is not a checkpoint that can be read: {reason}")


def damaged(source: Source, message: str) -> SourceError:
    """Return the error of a file that does not hold what a checkpoint must hold (R006)."""
    return SourceError(Problem.at(source.mark, "R006", f"source '{source.name}': {message}"))
