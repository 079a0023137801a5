"""The blocks of code within which all work of ONNX Runtime and onnx is done in the separate process."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.isolation.process import Worker
from assembler.isolation.session import IsolatedSession
from assembler.runtime.loaded_model import LOADER

if TYPE_CHECKING:
    from collections.abc import Iterator

_CURRENT: ContextVar[Worker | None] = ContextVar("worker", default=None)


@contextmanager
def isolated() -> Iterator[Worker]:
    """Load and run models in a separate process within the block; the process ends with the block.

    The process is started when it is first needed. A block within a block shares its process.
    """
    outer = _CURRENT.get()
    if outer is not None:
        yield outer
        return
    worker = Worker()
    mine = _CURRENT.set(worker)
    loader = LOADER.set(lambda file: IsolatedSession(worker, Path(file), "the model", ("M011", "M015")))
    try:
        yield worker
    finally:
        LOADER.reset(loader)
        _CURRENT.reset(mine)
        worker.close()


def current() -> Worker | None:
    """Return the process of the current block, or `None` outside a block, where models run in our own process."""
    return _CURRENT.get()
