"""Limits that a process beside ours puts on itself: it ends with its parent, and takes no more memory than it may."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, in whatever way."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.name == "posix" and os.getppid() != parent:  # the parent ended before the call
        sys.exit(0)
    # the parent handles Ctrl-C and SIGTERM, and ends this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def limit_memory(extra: int) -> None:
    """Limit the memory of this process to so many bytes beyond what it has, and switch its core dumps off."""
    try:
        import resource
    except ImportError:  # Windows
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open("/proc/self/statm", "rb") as stream:  # noqa: PTH123 - the kernel's
            taken = int(stream.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + extra, taken + extra))
