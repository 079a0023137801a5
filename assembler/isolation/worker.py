"""The separate process: loads and runs models, and lets onnx check and convert them, until its input ends.

It answers the frames on its standard input one after another. It imports numpy and ONNX Runtime, and onnx at the first
request for one of its tools.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from assembler.isolation.frames import Frame
from assembler.isolation.model_runs import run_session
from assembler.isolation.self_limits import die_with, limit_memory
from assembler.runtime.engine import ort
from assembler.runtime.operator_libraries import register

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FATAL_ONLY = 4  # failures are answers; ONNX Runtime would print them as well
#: What ONNX Runtime, C++ and numpy say when memory runs out.
_OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "failed to allocate", "unable to allocate", "requested bytes")


def main() -> None:
    """Answer until the input ends.

    The arguments are the id of the parent process, and the bytes of memory that this one may use beyond what it has.
    """
    parent, memory = int(sys.argv[1]), int(sys.argv[2])
    die_with(parent)
    limit_memory(memory)
    requests, answers = _streams()
    sessions: dict[int, ort.InferenceSession] = {}
    while True:
        try:
            request = Frame.read(requests)
        except EOFError:
            return
        try:
            answer(request, sessions).write(answers)
        except TypeError as err:  # of an element type that cannot be sent; nothing was written yet
            Frame({"failed": "error", "text": str(err)}).write(answers)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Return the streams of requests and answers, and keep native code that prints from both."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    return requests, answers


def answer(request: Frame, sessions: dict[int, ort.InferenceSession]) -> Frame:
    """Handle a request. Any exception becomes an answer, because those of the libraries share no base class."""
    act: Callable[[Frame, dict[int, ort.InferenceSession]], Frame] = _ACTS[str(request.words["act"])]
    for number in request.words.get("drop", ()):
        sessions.pop(number, None)
    try:
        return act(request, sessions)
    except MemoryError as err:
        return Frame({"failed": "memory", "text": str(err) or "out of memory"})
    except Exception as err:  # noqa: BLE001 - the boundary: pybind11, onnx and protobuf raise anything
        text = str(err).strip() or type(err).__name__
        memory = any(words in text.lower() for words in _OUT_OF_MEMORY)
        return Frame({"failed": "memory" if memory else "error", "text": text[:10_000]})


def _load(request: Frame, sessions: dict[int, ort.InferenceSession]) -> Frame:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = request.words.get("path")
    model = str(path) if path is not None else request.arrays["model"].tobytes()
    register(options, model)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    sessions[int(request.words["session"])] = session
    ports = {
        key: [[port.name, port.type, [*map(_dim, port.shape)]] for port in own]
        for key, own in (
            ("inputs", session.get_inputs()),
            ("outputs", session.get_outputs()),
            ("defaults", session.get_overridable_initializers()),
        )
    }
    return Frame({**ports, "metadata": dict(session.get_modelmeta().custom_metadata_map)})


def _dim(dim: object) -> int | str | None:
    """Return the size or the name of a dim, or `None` if it has neither."""
    return dim if isinstance(dim, int) or dim is None else str(dim)


def _run(request: Frame, sessions: dict[int, ort.InferenceSession]) -> Frame:
    names = [str(name) for name in request.words["outputs"]]
    return Frame({}, {}, run_session(sessions[int(request.words["session"])], names, request.values))


def _check(request: Frame, _: Mapping[int, ort.InferenceSession]) -> Frame:
    import_module("onnx.checker").check_model(str(request.words["path"]), full_check=bool(request.words["full"]))
    return Frame({})


def _inline(request: Frame, _: Mapping[int, ort.InferenceSession]) -> Frame:
    inlined = import_module("onnx.inliner").inline_local_functions(_model(request), convert_version=True)
    return _frame_of(inlined.SerializeToString())


def _convert(request: Frame, _: Mapping[int, ort.InferenceSession]) -> Frame:
    converted = import_module("onnx.version_converter").convert_version(_model(request), int(request.words["opset"]))
    return _frame_of(converted.SerializeToString())


def _infer(request: Frame, _: Mapping[int, ort.InferenceSession]) -> Frame:
    found = import_module("onnx.shape_inference").infer_shapes(_model(request), data_prop=True)
    return _frame_of(found.SerializeToString())


def _model(request: Frame) -> Any:  # noqa: ANN401 - a ModelProto; onnx is imported when it is needed
    return import_module("onnx").load_model_from_string(request.arrays["model"].tobytes())


def _frame_of(content: bytes) -> Frame:
    return Frame({}, {"model": np.frombuffer(content, np.uint8)})


_ACTS: Mapping[str, Callable[..., Frame]] = {
    "load": _load,
    "run": _run,
    "check": _check,
    "inline": _inline,
    "convert": _convert,
    "infer": _infer,
}
