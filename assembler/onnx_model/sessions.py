"""Runs models in ONNX Runtime, on the CPU, for the proof."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias, cast

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.isolation.model_runs import all_shown, run_session
from assembler.isolation.scope import current, isolated
from assembler.isolation.session import IsolatedSession
from assembler.runtime.engine import ort
from assembler.runtime.operator_libraries import register, require_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assembler.core.arrays import Array, RuntimeValue, RuntimeValues

#: A model that is open here, or in a separate process.
OpenSession: TypeAlias = ort.InferenceSession | IsolatedSession

_FATAL_ONLY = 4  # errors are raised; ONNX Runtime would also print them
#: The sessions of strangers' files, where they stay open in this process.
_KEPT: ContextVar[dict[Path, OpenSession] | None] = ContextVar("kept", default=None)


def _ort_errors() -> tuple[type[BaseException], ...]:
    """Return ONNX Runtime's own exceptions, which share no base class but Exception."""
    state = ort.capi.onnxruntime_pybind11_state
    names = (
        "Fail", "InvalidArgument", "NoSuchFile", "NoModel", "EngineError", "RuntimeException", "InvalidProtobuf",
        "ModelLoaded", "NotImplemented", "InvalidGraph", "EPFail",
    )  # fmt: skip
    return tuple(getattr(state, name) for name in names if hasattr(state, name))


#: The errors that loading and running can raise.
_ERRORS: tuple[type[BaseException], ...] = (RuntimeError, ValueError, TypeError, OSError, *_ort_errors())


def open_session(model: Path | bytes, what: str) -> OpenSession:
    """Open a model; in a separate process, if a block requests that.

    Args:
        model: A file, or the bytes of a small model.
        what: What it is, for the problem.

    Raises:
        ModelError: A library for its operators is not installed (M018), ONNX Runtime does not load it (M006), or its
            process died, hung or ran out of memory (M025 to M027).
    """
    require_libraries(model, what)
    worker = current()
    if worker is not None:
        return IsolatedSession(worker, model, what)
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    if _KEPT.get() is not None:
        options.add_session_config_entry("session.force_spinning_stop", "1")  # or one session's threads slow the next
    try:
        register(options, model)
        return ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    except _ERRORS as err:
        message = f"ONNX Runtime does not load {what}: {first_line(err)}"
        raise ModelError(Problem("M006", message, file=None if isinstance(model, bytes) else str(model))) from err


def run(session: OpenSession, inputs: RuntimeValues, what: str) -> dict[str, Array]:
    """Run a session and return its outputs that are tensors, by name.

    Raises:
        ModelError: The run fails in ONNX Runtime (M007), or its process died, hung or ran out of memory (M025 to M027).
    """
    names = [port.name for port in session.get_outputs() if port.type.startswith("tensor(")]
    return cast("dict[str, Array]", _run(session, names, inputs, what))


def run_all(session: OpenSession, inputs: RuntimeValues, what: str) -> dict[str, RuntimeValue]:
    """Run a session and return all its outputs by name: sequences, maps and optionals too.

    Raises:
        ModelError: As `run`.
    """
    return _run(session, [port.name for port in session.get_outputs()], inputs, what)


def _run(session: OpenSession, names: list[str], inputs: RuntimeValues, what: str) -> dict[str, RuntimeValue]:
    wanted = {entry.name for entry in (*session.get_inputs(), *session.get_overridable_initializers())}
    fed = {name: value for name, value in inputs.items() if name in wanted}
    if isinstance(session, IsolatedSession):
        return dict(zip(names, session.run_all(names, fed), strict=True))
    try:
        return run_session(session, names, fed)
    except _ERRORS as err:
        message = f"ONNX Runtime does not run {what} on {all_shown(inputs)}: {first_line(err)}"
        raise ModelError(Problem("M007", message)) from err


@contextmanager
def kept_open() -> Iterator[None]:
    """Run files of strangers in this process within the block, in sessions that stay open: to measure, not to prove.

    Threads of sessions that are opened in the block stop when a run ends.
    """
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def run_file(path: Path, inputs: RuntimeValues) -> dict[str, RuntimeValue]:
    """Run a stranger's model file once, in a separate process; or where it stays open."""
    what = f"the exported subgraph {path.name}"
    kept = _KEPT.get()
    if kept is not None:
        if path not in kept:
            kept[path] = open_session(path, what)
        return run_all(kept[path], inputs, what)
    with isolated():
        return run_all(open_session(path, what), inputs, what)


def first_line(err: BaseException) -> str:
    """Return the first line of an error's text."""
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__
