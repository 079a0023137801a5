"""Measures the peak of a torch device at float32 products."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from assembler.benchmark.device import Device

_ROWS = (64, 256, 1024, 4096)
_REPEATS = 10


class DevicePeak:
    """A product of the shape that a language model needs, as fast as torch's library of the device does it."""

    def __init__(self, hidden: int, device: Device) -> None:
        """Make the product `[rows, hidden] @ [hidden, 4 * hidden]`."""
        self._hidden = hidden
        self._device = device
        self._best = 0.0
        self._weight = torch.randn(hidden, 4 * hidden, device=device.torch)

    @torch.no_grad()
    def measure(self) -> None:
        """Take a turn. The best result over a few numbers of rows and all turns so far counts."""
        for rows in _ROWS:
            given = torch.full((rows, self._hidden), 0.1, device=self._device.torch)
            torch.matmul(given, self._weight)
            self._device.synchronise()
            begin = time.perf_counter()
            for _ in range(_REPEATS):
                torch.matmul(given, self._weight)
            self._device.synchronise()
            seconds = (time.perf_counter() - begin) / _REPEATS
            self._best = max(self._best, 8 * rows * self._hidden**2 / seconds)

    @property
    def operations(self) -> float:
        """The largest number of operations a second."""
        return self._best
