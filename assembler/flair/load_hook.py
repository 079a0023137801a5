"""Lets flair's own `load` take assembled models: `Classifier.load("x.onnx")`, `SequenceTagger.load("x.onnx")`.

`flair.nn.Model.load` is replaced by one that looks at the file first, and calls flair's for all but ONNX files.
flair (0.15.1, nn/model.py 142-187) asks the subclasses of an abstract class for a name, which would need no
replacement. But it drops the errors of their `load`, so that of a damaged file it would say `Could not find any model`.
And `SequenceTagger.load` and the like ask no subclass.
"""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flair.models import MultitaskModel
from flair.nn import Model

from assembler.flair.adapters import adapter_of
from assembler.flair.multitask_model import OnnxMultitaskModel
from assembler.runtime import TaskRunner

if TYPE_CHECKING:
    from assembler.flair.assembled import Assembled

_SUFFIX = ".onnx"
_IR_VERSION = b"\x08"
_MARK = "_takes_assembled_models"


def let_flair_load() -> None:
    """Let flair's classes load assembled models, once."""
    flairs = Model.load
    if getattr(flairs, _MARK, False):
        return

    def load(cls: type[Model[Any]], model_path: str | os.PathLike[str] | dict[str, Any]) -> Any:  # noqa: ANN401
        """Load a model of flair, or an assembled one if the file is an ONNX file."""
        if isinstance(model_path, str | os.PathLike) and _is_onnx(model_path):
            return loaded(cls, Path(model_path))
        return flairs.__func__(cls, model_path)  # type: ignore[attr-defined]

    setattr(load, _MARK, True)
    Model.load = classmethod(load)  # type: ignore[method-assign, assignment]


def _is_onnx(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is an ONNX file: by its suffix, or by its beginning, for `save` takes any name."""
    if os.fspath(path).lower().endswith(_SUFFIX):
        return True
    with suppress(OSError, ValueError):
        if Path(path).is_file():
            with Path(path).open("rb") as stream:
                return stream.read(1) == _IR_VERSION  # no pickle and no archive begins so
    return False


def loaded(cls: type[Model[Any]], path: Path) -> Assembled:
    """Return an assembled model as the class of flair's that it is, or that is asked for.

    Args:
        cls: The class whose `load` was called. An abstract one, such as `Classifier`, is given the class of the model's
            only task, or a `MultitaskModel` of several; another one the first task whose class it is.
        path: The file.

    Raises:
        ValueError: No task of the model is of that class.
        ModelError: It is no model of ours, or damaged (M010 to M014, M021, M022).
    """
    runner = TaskRunner(path)
    tasks = runner.tasks
    if cls is MultitaskModel or (inspect.isabstract(cls) and len(tasks) > 1):
        return OnnxMultitaskModel(runner)
    for task in tasks:
        adapter = adapter_of(task, runner.interface)
        if adapter is not None and issubclass(adapter, cls):
            return adapter(runner, task.name)
    told = ", ".join(f"'{task.name}' ({_class_of(adapter_of(task, runner.interface))})" for task in tasks)
    message = f"'{path}' has no task for {cls.__name__}.load: it has {told}; Classifier.load takes any"
    raise ValueError(message)


def _class_of(adapter: type[Assembled] | None) -> str:
    """Return the name of the class of flair's that an adapter stands for."""
    if adapter is None:
        return "none of flair's"
    return next(base.__name__ for base in adapter.__mro__ if base.__module__.startswith("flair.models"))
