"""`save` of an assembled model: a copy of its file, as long as the file says all that the model does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from flair.data import Dictionary
from flair.models.prefixed_tagger import SentenceAugmentationStrategy

from assembler.core.atomic_files import staged
from assembler.onnx_file.allowance import Allowance
from assembler.onnx_file.external_data import external_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def copy_file(source: str, target: str | os.PathLike[str], changed: Iterable[str]) -> None:
    """Copy a model's file.

    Args:
        source: The file.
        target: The copy, of any name. A file that is there is replaced, in one step.
        changed: What was set on the model since it was loaded, which the file does not know.

    Raises:
        NotImplementedError: Something was set, or the weights are in further files.
        OSError: The file cannot be read, or the copy not be written.
    """
    names = ", ".join(f"'{name}'" for name in changed)
    if names:
        message = f"the file does not hold what was set since loading: {names}; set it in flair and assemble again"
        raise NotImplementedError(message)
    with Path(source).open("rb") as stream:
        if external_data(stream, Allowance()):
            message = f"the weights of '{source}' are in files beside it; copy all of them by hand"
            raise NotImplementedError(message)
        if os.path.exists(target) and os.path.samefile(source, target):  # noqa: PTH110, PTH121 - either may be text
            return
        stream.seek(0)
        with staged(Path(target)) as stage:
            shutil.copyfileobj(stream, stage.stream)


def changed(now: Mapping[str, object], loaded: Mapping[str, object]) -> list[str]:
    """Return the attributes that a model has otherwise than when it was loaded, without those that a user added."""
    return sorted(
        name.removeprefix("_")
        for name, value in loaded.items()
        if name not in {"training", "tasks"} and _plain(now.get(name)) != _plain(value)
    )


def _plain(value: object) -> object:
    if isinstance(value, SentenceAugmentationStrategy):
        return type(value), vars(value)
    return value.get_items() if isinstance(value, Dictionary) else value
