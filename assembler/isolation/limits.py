"""How long a foreign part may run, and how much memory it may take."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Environment variables to set if a part really needs more, or if the machine should allow less.
SECONDS, MEMORY = "ASSEMBLE_PART_SECONDS", "ASSEMBLE_PART_MEMORY"

_SECONDS = 120.0
#: A slow disk reads so many bytes in a second; a large model may take longer to load than a small one.
_SLOW_DISK = 20_000_000
#: What remains for everybody else.
_SHARE = 0.75
_LEAST_MEMORY = 1 << 30
_UNKNOWN_MEMORY = 8 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request to a process beside ours may cost.

    Attributes:
        seconds: How long it may take, for a small model.
        memory: How many bytes the process may take beyond what it begins with.
    """

    seconds: float
    memory: int

    @classmethod
    def of_this_machine(cls) -> Limits:
        """Return what the environment says, or else two minutes and three quarters of the memory that is free."""
        return cls(
            _number(SECONDS) or _SECONDS, int(_number(MEMORY) or max(_LEAST_MEMORY, _SHARE * _available_memory()))
        )

    def seconds_for(self, size: int) -> float:
        """Return how long a request may take that a model of so many bytes has a part in."""
        return self.seconds + size / _SLOW_DISK


def _number(variable: str) -> float | None:
    """Return what a variable says, if that is a positive number."""
    with suppress(ValueError):
        value = float(os.environ.get(variable, ""))
        return value if 0 < value < float("inf") else None
    return None


def _available_memory() -> int:
    """Return the bytes that the kernel, and the group of processes that we are in, have left."""
    found = [_UNKNOWN_MEMORY]
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")] or found
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most, taken = (int((group / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
        found.append(max(0, most - taken))
    return min(found)
