"""Answers signals while native code runs, which lets Python's own handlers wait until it is done."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWERED = frozenset({signal.SIGINT, signal.SIGTERM})
#: The time for Python's own handlers, which leave in better order.
_GRACE = 2.0


@contextmanager
def answered() -> Iterator[None]:
    """End the process soon after Ctrl-C or SIGTERM within the block, whatever is running.

    Only for commands that have nothing to clean up. ONNX Runtime lets other threads of Python run meanwhile, so one
    waits for the byte that the interpreter writes when a signal comes. Outside the main thread, where no signals come,
    nothing is done.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(reading, over), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(writing)  # the watch ends with it
        watch.join(_GRACE + 1)


def _watch(reading: int, over: threading.Event) -> None:
    with os.fdopen(reading, "rb", buffering=0) as stream:
        while came := stream.read(1):
            if came[0] in _ANSWERED and not over.wait(_GRACE):
                os._exit(128 + came[0])
