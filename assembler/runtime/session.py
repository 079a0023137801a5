"""The only access to ONNX Runtime: loads a model, names its ports, runs it."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.runtime.binding import can_bind, run_bound
from assembler.runtime.bounds import require_bounded_model
from assembler.runtime.loaded_model import LOADER
from assembler.runtime.operator_libraries import register, require_libraries
from assembler.runtime.wholeness import watched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from assembler.runtime.fill.rule import Encoded
    from assembler.runtime.loaded_model import LoadedModel, Port

Provider: TypeAlias = "str | tuple[str, dict[str, str]]"

_CPU: tuple[Provider, ...] = ("CPUExecutionProvider",)
_SILENT = 4  # fatal errors only: the others reach the caller as exceptions, and a library does not print
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Session:
    """A model that ONNX Runtime has loaded. Several threads may run it at the same time.

    Attributes:
        file: The model's file, as the caller named it.
        inputs: The type of each input by its name, as ONNX Runtime writes it: `tensor(int64)`.
        outputs: The same for each output.
        metadata: The `metadata_props` of the file.
        providers: The execution providers that run it, in order of preference.
    """

    file: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    metadata: Mapping[str, str]
    providers: tuple[str, ...]
    _session: LoadedModel

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        spin: bool = True,
        providers: Sequence[Provider] | None = None,
        verify: bool = True,
    ) -> Session:
        """Load the model at `path`.

        Args:
            path: An ONNX file; external data is looked for beside it.
            threads: Threads within an operator; `None` leaves the choice to ONNX Runtime.
            spin: Whether threads wait for the next operator by spinning, which is faster if no other program needs the
                cores. Between two runs they sleep in any case.
            providers: Execution providers in order of preference; `None` is the CPU, even if others are installed.
            verify: Whether to check first that the file is whole, by the digest that it carries.

        Raises:
            ModelError: M010 if the file cannot be read, M011 if ONNX Runtime cannot load it, or starts none of the
                providers, M018 if a library for its operators is not installed, M021 if the file is damaged, M022 if it
                carries no digest, M028 if loading would never end.
            ValueError: If `threads` is below 1, or this ONNX Runtime lacks one of the providers.
        """
        file = os.fspath(path)
        _require_readable(file)
        require_bounded_model(file)
        from assembler.runtime.engine import ort

        wanted = _available(_CPU if providers is None else providers, ort.get_available_providers())
        options = ort.SessionOptions()
        options.log_severity_level = _SILENT
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
        # Otherwise they spin for a while after a run too, and take the cores from encoding and decoding.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if threads is not None:
            options.intra_op_num_threads = _at_least_one(threads)
        require_libraries(file, "this model")
        register(options, file)
        with watched(file) if verify else nullcontext():
            try:
                # Without the fallback, which prints, and continues with another provider than the requested one.
                own = LOADER.get()
                load = own or (lambda _: ort.InferenceSession(file, options, providers=wanted, enable_fallback=0))
                session = load(file)
                metadata = session.get_modelmeta().custom_metadata_map
            except _ort_errors() as err:
                hint = "expected is an .onnx file that `assemble` wrote"
                problem = Problem("M011", f"ONNX Runtime cannot load this model: {_summary(err)}", hint, file)
                raise ModelError(problem) from err
        started = tuple(session.get_providers())
        _require_started(wanted, started, file)
        return cls(file, _types(session.get_inputs()), _types(session.get_outputs()), metadata, started, session)

    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Return the sizes of each input; `None` for those that are free."""
        return {
            port.name: tuple(size if isinstance(size, int) else None for size in port.shape)
            for port in self._session.get_inputs()
        }

    def output_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Return the sizes of each output; `None` for those that are free."""
        return {
            port.name: tuple(size if isinstance(size, int) else None for size in port.shape)
            for port in self._session.get_outputs()
        }

    def run(self, names: Sequence[str], feeds: Mapping[str, Encoded]) -> list[NDArray[np.generic]]:
        """Return the outputs called `names`.

        Raises:
            ModelError: M015 if the run fails in ONNX Runtime.
        """
        try:
            if can_bind(self.providers[0], self.inputs.values()):
                return run_bound(self._session, names, feeds)
            return self._session.run(list(names), feeds)
        except _ort_errors() as err:
            hint = "if memory ran out: a smaller batch size needs less"
            problem = Problem("M015", f"the model failed in ONNX Runtime: {_summary(err)}", hint, self.file)
            raise ModelError(problem) from err


def _require_readable(file: str) -> None:
    try:
        if Path(file).exists() and not (Path(file).is_file() or Path(file).is_dir()):  # opening a pipe would block
            raise ModelError(Problem("M010", "cannot read the model: it is no regular file", file=file))
        with Path(file).open("rb"):
            return
    except (OSError, ValueError) as err:  # ValueError: a path with a null character
        reason = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
        raise ModelError(Problem("M010", f"cannot read the model: {reason}", file=file)) from err


def _available(providers: Sequence[Provider], available: Sequence[str]) -> list[Provider]:
    for name in _names(providers):
        if name not in available:
            message = f"provider '{name}' is not in this ONNX Runtime, which has {', '.join(available)}"
            raise ValueError(message)
    return list(providers)


def _names(providers: Sequence[Provider]) -> list[str]:
    return [provider if isinstance(provider, str) else provider[0] for provider in providers]


def _require_started(wanted: Sequence[Provider], started: Sequence[str], file: str) -> None:
    """Refuse a session that fell back to another provider, as ONNX Runtime does if a library is missing."""
    if not wanted or started[0] in _names(wanted):
        return
    message = f"ONNX Runtime cannot start {', '.join(_names(wanted))} here: it would run on {started[0]}"
    hint = "the provider is installed, but not all that it needs, such as a driver and the libraries CUDA and cuDNN"
    raise ModelError(Problem("M011", message, hint, file))


def _at_least_one(threads: int) -> int:
    if threads < 1:
        message = f"threads: expected at least 1, got {threads}"
        raise ValueError(message)
    return threads


def _types(ports: Sequence[Port]) -> dict[str, str]:
    return {port.name: port.type for port in ports}


def _ort_errors() -> tuple[type[Exception], ...]:
    """Return the errors of ONNX Runtime: exceptions without a common base, and two that pybind11 makes from others."""
    native = vars(import_module("onnxruntime.capi.onnxruntime_pybind11_state")).values()
    own = (value for value in native if isinstance(value, type) and issubclass(value, Exception))
    return (*own, RuntimeError, ValueError)


def _summary(err: Exception) -> str:
    """Return the message of ONNX Runtime as one line, without its preamble of error numbers."""
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(err).split()))
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
