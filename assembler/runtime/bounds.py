"""Refuses model files that ONNX Runtime would never finish loading, before it sees them."""

from __future__ import annotations

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.core.regular_files import is_utf8
from assembler.onnx_file.expansion import UnboundedError
from assembler.onnx_file.structure import require_bounded

#: ONNX Runtime's own format, which it recognises by this suffix only. It has no functions.
_OWN_FORMAT = ".ort"
#: An assembled model has no functions. ONNX Runtime takes seconds to inline so many nodes, and minutes for more.
_MOST_CALLED = 10_000


def require_bounded_model(file: str) -> None:
    """Walk through the fields of a model file. It takes milliseconds, however large the weights.

    Raises:
        ModelError: M010 the file cannot be read, M011 it is not an ONNX model, M028 it expands to more than can be run.
    """
    if not is_utf8(file):
        message = "cannot read the model: its name is not UTF-8, and ONNX Runtime opens no other"
        raise ModelError(Problem("M010", message, "rename the file", file))
    if file.endswith(_OWN_FORMAT):
        return
    try:
        require_bounded(file, most_called=_MOST_CALLED)
    except UnboundedError as err:
        hint = "no model that `assemble` wrote is such: where does the file come from?"
        raise ModelError(Problem("M028", f"the model is not loaded: {err}", hint, file)) from err
    except OSError as err:
        raise ModelError(Problem("M010", f"cannot read the model: {err.strerror or err}", file=file)) from err
    except ValueError as err:
        hint = "expected is an .onnx file that `assemble` wrote"
        raise ModelError(Problem("M011", f"ONNX Runtime cannot load this model: {err}", hint, file)) from err
