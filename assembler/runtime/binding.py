"""Runs with bound inputs and outputs, for execution providers that have their own memory.

Each input is copied once, to where the model reads it, and each output once, into the processor's memory: labels and
scores are small compared with the states from which they are made, which never leave the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.fill.rule import Encoded

_WITH_MEMORY = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider"})


class _Binding(Protocol):
    def bind_cpu_input(self, name: str, array: NDArray[np.generic]) -> None: ...
    def bind_output(self, name: str) -> None: ...
    def copy_outputs_to_cpu(self) -> list[NDArray[np.generic]]: ...


class Bindable(Protocol):
    """The parts of `onnxruntime.InferenceSession` that are used here."""

    def io_binding(self) -> _Binding: ...  # noqa: D102 - ONNX Runtime's own
    def run_with_iobinding(self, binding: _Binding) -> None: ...  # noqa: D102 - ONNX Runtime's own


def can_bind(provider: str, types: Iterable[str]) -> bool:
    """Return whether runs on a provider gain by binding: it has its own memory, and no input is text.

    Args:
        provider: The first provider of the session.
        types: The types of the inputs, as ONNX Runtime writes them.
    """
    return provider in _WITH_MEMORY and "tensor(string)" not in types


def run_bound(session: Bindable, names: Sequence[str], feeds: Mapping[str, Encoded]) -> list[NDArray[np.generic]]:
    """Return the outputs called `names`. Errors of ONNX Runtime are not caught here.

    The binding is for this run only, so several threads can run one session.
    """
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_cpu_input(name, np.ascontiguousarray(array))  # kept by the binding for the run
    for name in names:
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()
