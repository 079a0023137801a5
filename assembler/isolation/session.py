"""A model that is loaded in the separate process, with those methods of ONNX Runtime's sessions that are used here."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, cast

import numpy as np

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.isolation.frames import Frame
from assembler.isolation.model_runs import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.core.arrays import RuntimeValue, RuntimeValues
    from assembler.isolation.process import Worker

_FEW = 8
_LONGEST = 2000
_numbers = count()


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output, as ONNX Runtime describes it."""

    name: str
    type: str
    shape: list[int | str | None]


@dataclass(frozen=True, slots=True)
class Meta:
    """The metadata of a file, as ONNX Runtime returns them."""

    custom_metadata_map: dict[str, str]


class IsolatedSession:
    """A model in the separate process. If that process has died meanwhile, the model is loaded once more."""

    def __init__(
        self, worker: Worker, model: Path | bytes, what: str, codes: tuple[str, str] = ("M006", "M007")
    ) -> None:
        """Load a model.

        Args:
            worker: The process.
            model: A file, or the bytes of a small model.
            what: What it is, for problems.
            codes: The codes of the problems of loading and of running.

        Raises:
            ModelError: ONNX Runtime cannot load it (the first of `codes`), or the process fails (M025 to M027).
        """
        self._worker, self._model, self._what = worker, model, what
        self._codes = codes
        self._number = next(_numbers)
        weakref.finalize(self, worker.dropped.append, self._number).atexit = False
        self._size = len(model) if isinstance(model, bytes) else _size(model)
        self._load()

    def _load(self) -> None:
        file = None if isinstance(self._model, bytes) else str(self._model)
        words: dict[str, Any] = {"act": "load", "session": self._number}
        if file is not None:
            words["path"] = str(Path(file).absolute())
        arrays = {"model": np.frombuffer(self._model, np.uint8)} if isinstance(self._model, bytes) else {}
        answer = self._worker.ask(
            Frame(words, arrays),
            self._what,
            lambda text: ModelError(
                Problem(self._codes[0], f"ONNX Runtime does not load {self._what}: {text}", file=file)
            ),
            size=self._size,
        )
        self._inputs = [Port(*port) for port in answer.words["inputs"]]
        self._outputs = [Port(*port) for port in answer.words["outputs"]]
        self._defaults = [Port(*port) for port in answer.words["defaults"]]
        self._metadata = {str(key): str(value) for key, value in answer.words["metadata"].items()}
        self._generation = self._worker.generation

    def get_inputs(self) -> list[Port]:
        """Return the inputs."""
        return self._inputs

    def get_outputs(self) -> list[Port]:
        """Return the outputs."""
        return self._outputs

    def get_overridable_initializers(self) -> list[Port]:
        """Return the inputs that need not be fed."""
        return self._defaults

    def get_providers(self) -> list[str]:
        """Return the execution providers that run it."""
        return ["CPUExecutionProvider"]

    def get_modelmeta(self) -> Meta:
        """Return the metadata of the file."""
        return Meta(self._metadata)

    def io_binding(self) -> Never:
        """Refuse: there is no memory but that of the processor."""
        raise NotImplementedError

    def run_with_iobinding(self, binding: object) -> None:
        """Refuse likewise."""
        raise NotImplementedError(binding)

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs called `names`, which are tensors.

        Raises:
            ModelError: As `run_all`.
        """
        return cast("list[NDArray[Any]]", self.run_all(names, feeds))

    def run_all(self, names: Sequence[str], feeds: RuntimeValues) -> list[RuntimeValue]:
        """Return the outputs called `names`, whatever their types.

        Raises:
            ModelError: The run fails in ONNX Runtime (the second of `codes`), kills the process, or exceeds a limit
                (M025 to M027).
        """
        if self._generation != self._worker.generation:
            self._load()
        shapes = ", ".join(_described(name, value) for name, value in feeds.items())[:_LONGEST]
        answer = self._worker.ask(
            Frame({"act": "run", "session": self._number, "outputs": list(names)}, {}, feeds),
            self._what,
            lambda text: ModelError(
                Problem(self._codes[1], f"ONNX Runtime does not run {self._what} on {shapes}: {text}")
            ),
            on=f" on {shapes}" if shapes else "",
            size=self._size,
        )
        return [answer.values[name] for name in names]


def _size(path: Path) -> int:
    """Return the size of a model in bytes, with that of the files beside it that may be its data."""
    try:
        return sum(each.stat().st_size for each in path.parent.iterdir() if each.name.startswith(path.stem))
    except OSError:
        return 0


def _described(name: str, value: RuntimeValue) -> str:
    """Return the name, type and shape of an array, and its values if they are few."""
    text = shown(name, value)
    return f"{text} = {value.tolist()!r:.200}" if isinstance(value, np.ndarray) and value.size <= _FEW else text
