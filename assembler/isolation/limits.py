"""The limits of foreign parts: how long they may run, and how much memory they may use."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: The environment variables that raise the limits for a part that needs more, or lower them for a small machine.
SECONDS, MEMORY = "ASSEMBLE_PART_SECONDS", "ASSEMBLE_PART_MEMORY"

_SECONDS = 120.0
#: The bytes that a slow disk reads in a second, because a large model may take longer to load than a small one.
_SLOW_DISK = 20_000_000
#: The share of memory that is left to other programs.
_SHARE = 0.75
_LEAST_MEMORY = 1 << 30
_UNKNOWN_MEMORY = 8 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request to the separate process.

    Attributes:
        seconds: How long it may take, for a small model.
        memory: How many bytes the process may use beyond those that it starts with.
    """

    seconds: float
    memory: int

    @classmethod
    def of_this_machine(cls) -> Limits:
        """Return the limits that the environment sets; by default two minutes and 3/4 of the free memory."""
        return cls(
            _number(SECONDS) or _SECONDS, int(_number(MEMORY) or max(_LEAST_MEMORY, _SHARE * _available_memory()))
        )

    def seconds_for(self, size: int) -> float:
        """Return how long a request may take if it involves a model of so many bytes."""
        return self.seconds + size / _SLOW_DISK


def _number(variable: str) -> float | None:
    """Return the value of a variable if it is a positive number."""
    with suppress(ValueError):
        value = float(os.environ.get(variable, ""))
        return value if 0 < value < float("inf") else None
    return None


def _available_memory() -> int:
    """Return the bytes that the kernel, and the control group of this process, have left."""
    found = [_UNKNOWN_MEMORY]
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")] or found
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most, taken = (int((group / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
        found.append(max(0, most - taken))
    return min(found)
