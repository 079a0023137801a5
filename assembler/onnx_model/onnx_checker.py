"""Checks a written model: ONNX's own checker, with shape inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.isolation.onnx_tools import check
from assembler.isolation.scope import current
from assembler.onnx_model.sessions import first_line

if TYPE_CHECKING:
    from pathlib import Path


def check_file(path: Path) -> None:
    """Run ONNX's checker on a file, shape inference included; in a separate process, if a block requests that.

    Raises:
        ModelError: The model is not valid (M008), or crashes, times out or runs out of memory (M025 to M027).
    """
    if current() is not None:
        check(path, "the checker, on the assembled model", _invalid, full=True)
        return
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError, ValueError) as err:
        raise _invalid(first_line(err)) from err


def _invalid(reason: str) -> ModelError:
    return ModelError(Problem("M008", f"the assembled model does not pass ONNX's checker: {reason}"))
