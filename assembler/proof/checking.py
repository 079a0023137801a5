"""Checks a written model: ONNX's own checker, with shape inference, and a load in ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from assembler.errors import ModelError
from assembler.problems import Problem
from assembler.proof.sessions import first_line

if TYPE_CHECKING:
    from pathlib import Path


def check_file(path: Path) -> None:
    """Run ONNX's checker on a file, shape inference included.

    Raises:
        ModelError: The model is not valid (M008).
    """
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError, ValueError) as err:
        message = f"the assembled model does not pass ONNX's checker: {first_line(err)}"
        raise ModelError(Problem("M008", message)) from err
