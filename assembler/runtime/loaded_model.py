"""Loads a model: with ONNX Runtime in this process, unless a caller replaced it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from assembler.runtime.binding import Bindable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from assembler.runtime.fill.rule import Encoded


class Port(Protocol):
    """An input or output."""

    @property
    def name(self) -> str: ...  # noqa: D102 - ONNX Runtime's own
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def shape(self) -> Sequence[int | str | None]: ...  # noqa: D102


class ModelMeta(Protocol):
    """The metadata of a model file."""

    @property
    def custom_metadata_map(self) -> Mapping[str, str]: ...  # noqa: D102 - ONNX Runtime's own


class LoadedModel(Bindable, Protocol):
    """The parts of `onnxruntime.InferenceSession` that are used; it has no types."""

    def get_providers(self) -> list[str]: ...  # noqa: D102 - ONNX Runtime's own
    def get_inputs(self) -> Sequence[Port]: ...  # noqa: D102
    def get_outputs(self) -> Sequence[Port]: ...  # noqa: D102
    def get_modelmeta(self) -> ModelMeta: ...  # noqa: D102
    def run(self, names: list[str], feeds: Mapping[str, Encoded]) -> list[NDArray[np.generic]]: ...  # noqa: D102


#: The replacement for ONNX Runtime here: a build loads a stranger's graph in a separate process.
LOADER: ContextVar[Callable[[str], LoadedModel] | None] = ContextVar("loader", default=None)
