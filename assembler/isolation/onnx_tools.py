"""Runs the tools of the onnx package on models of strangers: its checker, its inliner, its converter.

They are written in C++ and do whatever a file says, so they run in the separate process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.isolation.frames import Frame
from assembler.isolation.scope import isolated

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.isolation.process import Failed


def check(path: Path, what: str, failed: Failed, *, full: bool = False) -> None:
    """Run ONNX's checker on a file, with shape inference if `full`.

    Raises:
        AssemblerError: The error that `failed` makes, or M025 to M027.
    """
    with isolated() as worker:
        request = Frame({"act": "check", "path": str(path.absolute()), "full": full})
        worker.ask(request, what, failed, size=path.stat().st_size)


def inlined(model: onnx.ModelProto, what: str, failed: Failed) -> onnx.ModelProto:
    """Return a model in which calls of local functions are replaced by their operators.

    Raises:
        AssemblerError: The error that `failed` makes, or M025 to M027.
    """
    return _changed(model, Frame({"act": "inline"}), what, failed)


def converted(model: onnx.ModelProto, opset: int, what: str, failed: Failed) -> onnx.ModelProto:
    """Return a model at another opset.

    Raises:
        AssemblerError: The error that `failed` makes, or M025 to M027.
    """
    return _changed(model, Frame({"act": "convert", "opset": opset}), what, failed)


def inferred(model: onnx.ModelProto, what: str) -> onnx.ModelProto | None:
    """Return a model with the types that ONNX infers, or `None` if the inference fails.

    Raises:
        ModelError: M025 to M027.
    """

    def failed(reason: str) -> ModelError:
        return ModelError(Problem("M005", reason))

    try:
        return _changed(model, Frame({"act": "infer"}), what, failed)
    except ModelError as err:
        if err.problems[0].code != "M005":
            raise
        return None


def _changed(model: onnx.ModelProto, request: Frame, what: str, failed: Failed) -> onnx.ModelProto:
    content = model.SerializeToString()
    with isolated() as worker:
        whole = Frame(request.words, {"model": np.frombuffer(content, np.uint8)})
        answer = worker.ask(whole, what, failed, size=len(content))
    return onnx.load_model_from_string(answer.arrays["model"].tobytes())
